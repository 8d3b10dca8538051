import type { Totals } from '../../core/log/packet-header.ts'

/** What a partition's log says up to one of its appends. */
export type Tally = {
  readonly appends: number
  readonly totals: Totals
  readonly packets: number
  readonly sealedSeq: number
  readonly sealedAppend: number
  readonly watermarkMs: number
}

export const emptyTally: Tally = {
  appends: 0,
  totals: { received: 0, accepted: 0, duplicate: 0, rejected: 0, quarantined: 0, waived: 0 },
  packets: 0,
  sealedSeq: 0,
  sealedAppend: 0,
  watermarkMs: 0,
}

/** A row of segments, without its lines. */
export type AppendRow = {
  readonly appendNo: number
  readonly firstSeq: number
  readonly count: number
  readonly received: number
  readonly duplicate: number
  readonly rejected: number
  readonly quarantined: number
  readonly waived: number
}

/** A row of seal_marks, and the packet made from it, if it is made. */
export type MarkRow = {
  readonly packetNo: number
  readonly upToSeq: number
  readonly upToAppend: number
  readonly watermarkMs: number
  readonly policyDigest: string
  readonly rosterDigest: string
  readonly received: number
  readonly duplicate: number
  readonly rejected: number
  readonly quarantined: number
  readonly waived: number
  readonly packet: { readonly firstSeq: number; readonly count: number } | null
}

/** A row of partition_heads, and how many rows of the partition stand in quarantine. */
export type HeadRow = {
  readonly nextSeq: number
  readonly nextAppend: number
  readonly received: number
  readonly duplicate: number
  readonly rejected: number
  readonly quarantined: number
  readonly waived: number
  readonly nextPacket: number
  readonly sealedSeq: number
  readonly watermarkMs: number
  readonly heldRows: number
  /** Null where they were not counted. */
  readonly decidedRows: { readonly waived: number; readonly released: number } | null
}

/** The tally after one more append; or what is wrong with it, as a clause for a person. */
export function addAppend(tally: Tally, row: AppendRow): Tally | string {
  const { totals, appends } = tally
  if (row.appendNo !== appends)
    return `append ${appends} is missing, and the one found after it is ${row.appendNo}`
  const place = `append ${row.appendNo}`
  if (row.count > 0 && row.firstSeq !== totals.accepted)
    return `${place} begins at sequence ${row.firstSeq}, and ${totals.accepted} was wanted`
  const sum = row.count + row.duplicate + row.rejected + row.quarantined + row.waived
  if (row.received !== sum)
    return `${place} received ${row.received} items, and says of ${sum} what became of them`
  const added: Totals = {
    received: totals.received + row.received,
    accepted: totals.accepted + row.count,
    duplicate: totals.duplicate + row.duplicate,
    rejected: totals.rejected + row.rejected,
    quarantined: totals.quarantined + row.quarantined,
    waived: totals.waived + row.waived,
  }
  if (added.quarantined < 0)
    return `${place} takes more out of quarantine than was in it: ${-row.quarantined} of ${totals.quarantined}`
  return { ...tally, appends: appends + 1, totals: added }
}

/** The tally with a packet ended at its last append; or what is wrong with the mark. */
export function addMark(tally: Tally, row: MarkRow): Tally | string {
  const { totals, packets, sealedSeq, watermarkMs, appends } = tally
  if (row.packetNo !== packets)
    return `seal mark ${packets} is missing, and the one found after it is ${row.packetNo}`
  const place = `seal mark ${row.packetNo}`
  if (row.upToAppend !== appends)
    return `${place} ends behind ${row.upToAppend} appends, and ${appends} was wanted`
  if (row.upToSeq !== totals.accepted)
    return `${place} ends at sequence ${row.upToSeq}, and the appends before it at ${totals.accepted}`
  const wrong = countedOtherwise(totals, row)
  if (wrong !== undefined) return `${place} ${wrong}`
  if (row.watermarkMs < watermarkMs)
    return `${place} takes the watermark back from ${watermarkMs} to ${row.watermarkMs}`
  if (row.packet !== null) {
    const { firstSeq, count } = row.packet
    if (firstSeq !== sealedSeq || firstSeq + count !== row.upToSeq)
      return `packet ${row.packetNo} has sequences ${firstSeq} to ${firstSeq + count}, and its mark wants ${sealedSeq} to ${row.upToSeq}`
  }
  return {
    ...tally,
    packets: packets + 1,
    sealedSeq: row.upToSeq,
    sealedAppend: row.upToAppend,
    watermarkMs: row.watermarkMs,
  }
}

/** What a partition's head says otherwise than its whole log. */
export function againstHead(tally: Tally, head: HeadRow): string | undefined {
  const { totals } = tally
  if (head.nextAppend !== tally.appends)
    return `append ${tally.appends} is missing: the head counts ${head.nextAppend} appends`
  if (head.nextSeq !== totals.accepted)
    return `the head goes on at sequence ${head.nextSeq}, and the appends end at ${totals.accepted}`
  const wrong = countedOtherwise(totals, head)
  if (wrong !== undefined) return `the head ${wrong}`
  if (head.nextPacket !== tally.packets)
    return `seal mark ${tally.packets} is missing: the head counts ${head.nextPacket} marks`
  if (head.sealedSeq !== tally.sealedSeq)
    return `the head is sealed up to sequence ${head.sealedSeq}, and its last mark ends at ${tally.sealedSeq}`
  if (head.heldRows !== totals.quarantined)
    return `${head.heldRows} held rows stand in quarantine, and the appends count ${totals.quarantined}`
  if (head.decidedRows === null) return undefined
  // What was released into another partition was given up in this one.
  const { waived, released } = head.decidedRows
  return waived <= totals.waived && totals.waived <= waived + released
    ? undefined
    : `${waived} rows in quarantine are waived and ${released} released, and the appends count ${totals.waived} waived`
}

const counted = ['received', 'duplicate', 'rejected', 'quarantined', 'waived'] as const

function countedOtherwise(totals: Totals, row: Readonly<Record<(typeof counted)[number], number>>) {
  const differing = counted.find(each => totals[each] !== row[each])
  return differing === undefined
    ? undefined
    : `counts ${row[differing]} ${differing}, and the appends up to it ${totals[differing]}`
}
