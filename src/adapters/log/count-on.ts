import type { Queryable } from '../postgres/sql.ts'
import { type AppendRow, addAppend, addMark, type HeadRow, type MarkRow, type Tally } from './tally.ts'

/** A partition whose log is counted, and where it ended when that began: what comes later is not looked at. */
export type Counted = HeadRow & {
  readonly partitionId: number
  readonly streamId: string
  readonly partition: number
}

/** Asked at each mark that fits, with the tally before and after it: what is wrong with the packet, if anything. */
export type AtMark = (before: Tally, after: Tally, mark: MarkRow) => Promise<string | undefined>

const APPENDS_AT_ONCE = 1000

/**
 * Counts a partition from where a tally stands up to its head, a page at a time. Resolves with the tally there, or
 * with the first thing that does not fit, as a clause.
 */
export async function countOn(
  db: Queryable,
  { partitionId, nextAppend, nextPacket }: Counted,
  from: Tally,
  atMark: AtMark = async () => undefined,
): Promise<Tally | string> {
  let tally = from
  while (tally.appends < nextAppend || tally.packets < nextPacket) {
    const appends = await readAppends(db, partitionId, tally.appends, nextAppend)
    const end = tally.appends + appends.length
    const isLast = end === nextAppend
    const marks = await readMarks(db, partitionId, tally.packets, nextPacket, isLast ? EVERY : end)
    // The head says that there is more, and there is not: that it is missing, the head is asked about.
    if (appends.length === 0 && marks.length === 0) return tally

    let next = 0
    for (let i = 0; i <= appends.length; i++) {
      const append = appends[i]
      for (let mark = marks[next]; mark !== undefined; mark = marks[++next]) {
        if (append !== undefined && mark.upToAppend > tally.appends) break
        const marked = addMark(tally, mark)
        if (typeof marked === 'string') return marked
        const wrong = await atMark(tally, marked, mark)
        if (wrong !== undefined) return wrong
        tally = marked
      }
      if (append === undefined) break
      const added = addAppend(tally, append)
      if (typeof added === 'string') return added
      tally = added
    }
  }
  return tally
}

async function readAppends(
  db: Queryable,
  partitionId: number,
  from: number,
  end: number,
): Promise<AppendRow[]> {
  const { rows } = await db.query<AppendRow>({
    name: 'count-appends',
    text: `select append_no as "appendNo", first_seq as "firstSeq", count, received, duplicate, rejected, quarantined, waived
      from segments where partition_id = $1 and append_no >= $2 and append_no < $3 order by append_no limit $4`,
    values: [partitionId, from, end, APPENDS_AT_ONCE],
  })
  return rows
}

/** Those that stand behind one of the appends at hand. */
async function readMarks(
  db: Queryable,
  partitionId: number,
  from: number,
  end: number,
  upToAppend: number,
): Promise<MarkRow[]> {
  const { rows } = await db.query<MarkRow>({
    name: 'count-marks',
    text: `select marked.packet_no as "packetNo", up_to_seq as "upToSeq", up_to_append as "upToAppend",
        watermark_ms as "watermarkMs", encode(policy_digest, 'hex') as "policyDigest",
        encode(roster_digest, 'hex') as "rosterDigest", received, duplicate, rejected, quarantined, waived,
        case when made.packet_no is null then null
          else json_build_object('firstSeq', made.first_seq, 'count', made.count) end as packet
      from seal_marks as marked left join packets as made using (partition_id, packet_no)
      where partition_id = $1 and marked.packet_no >= $2 and marked.packet_no < $3 and up_to_append <= $4
      order by marked.packet_no limit $5`,
    values: [partitionId, from, end, upToAppend, MARKS_AT_ONCE],
  })
  return rows
}

const EVERY = Number.MAX_SAFE_INTEGER
/** An empty packet follows one with events, so that there are at most twice as many marks as appends, and one more. */
const MARKS_AT_ONCE = 2 * APPENDS_AT_ONCE + 2
