import { parseJson } from '../../core/canonical-json.ts'
import { closedReader } from '../../core/closed-object.ts'
import { eventIdIn } from '../../core/event/scan-line.ts'
import { orThrow } from '../../core/fault.ts'
import type { PartitionRecord, Segment } from '../../core/log/entries.ts'
import { sealPacket } from '../../core/log/packet.ts'
import {
  PACKET_BYTES_MAX,
  type PacketHeader,
  type PacketSource,
  packetId,
  sourcesCheck,
} from '../../core/log/packet-header.ts'
import { hexOf, type Queryable } from '../postgres/sql.ts'
import type { AtMark, Counted } from './count-on.ts'
import { packetIdIn } from './log-copy.ts'
import { type PartitionRow, readConstants, readHeader, recordOf } from './read-sealing.ts'
import type { SeenEvents } from './seen-events.ts'
import type { MarkRow, Tally } from './tally.ts'

/** Makes every packet of a partition again while its log is counted. */
export type Resealing = {
  readonly atMark: AtMark
  /** Reads what no packet holds yet. */
  checkTail(tally: Tally): Promise<string | undefined>
}

export async function resealing(
  db: Queryable,
  { partitionId, nextAppend }: Counted,
  seen: SeenEvents,
): Promise<Resealing> {
  const record = await readRecord(db, partitionId)
  let previous: PacketHeader | null = null
  return {
    async atMark(before, after, mark) {
      const made = await readMade(db, partitionId, mark.packetNo)
      if (made !== undefined && packetId(made.header) !== made.packetId)
        return `packet ${mark.packetNo} has a header whose id is ${packetId(made.header)}, and stands under ${made.packetId}`
      const stretch = await readStretch(db, partitionId, before.sealedAppend, after.sealedAppend)
      if (typeof stretch === 'string') return stretch
      const wrong = await seeEvents(stretch, seen)
      if (wrong !== undefined) return wrong
      // Where the lines were taken away to save room, what is left of the packet is its header.
      const isGone = stretch.some(({ lines }) => lines === null)
      if (isGone) seen.miss()
      const header: PacketHeader | string = isGone
        ? (made?.header ?? `the lines of packet ${mark.packetNo} are missing, and it was never made`)
        : sealedAgain(record, previous, stretch, after, mark, made)
      if (typeof header === 'string') return header
      previous = header
      return undefined
    },
    async checkTail(tally) {
      const stretch = await readStretch(db, partitionId, tally.sealedAppend, nextAppend)
      if (typeof stretch === 'string') return stretch
      const bare = stretch.find(({ lines }) => lines === null)
      if (bare !== undefined)
        return `the lines of append ${bare.appendNo} are missing, and no packet holds them`
      return seeEvents(stretch, seen)
    },
  }
}

function sealedAgain(
  record: PartitionRecord,
  previous: PacketHeader | null,
  stretch: readonly StretchRow[],
  { totals }: Tally,
  { packetNo, upToSeq, watermarkMs, policyDigest, rosterDigest }: MarkRow,
  made: Made | undefined,
): PacketHeader | string {
  const segments = stretch.flatMap(row => segmentOf(record.partition, row))
  const mark = { partition: record.partition, upToSeq, watermarkMs, policyDigest, rosterDigest, totals }
  const sealed = sealPacket(record, previous, segments, mark)
  if (!sealed.ok) return `packet ${packetNo} cannot be made again: ${sealed.fault.detail}`
  if (made !== undefined && made.packetId !== sealed.value.packetId)
    return `packet ${packetNo} was given out as ${made.packetId}, and the log makes it ${sealed.value.packetId}`
  return sealed.value.header
}

async function seeEvents(stretch: readonly StretchRow[], seen: SeenEvents): Promise<string | undefined> {
  for (const { appendNo, count, lines } of stretch) {
    if (lines === null) continue
    const each = Buffer.from(lines.buffer, lines.byteOffset, lines.length).toString('utf8').split('\n')
    if (each.pop() !== '' || each.length !== count)
      return `append ${appendNo} counts ${count} events, and holds ${each.length} lines`
    const eventIds = each.flatMap(line => eventIdIn(line) ?? [])
    if (eventIds.length !== count) return `append ${appendNo} has a line that is not an event's`
    await seen.add(eventIds)
  }
  return undefined
}

async function readRecord(db: Queryable, partitionId: number): Promise<PartitionRecord> {
  const { rows } = await db.query<PartitionRow>('select * from partitions where id = $1', [partitionId])
  const [row] = rows
  if (row === undefined) throw new Error(`partition ${partitionId} has no record`)
  return recordOf(row)
}

type Made = { readonly packetId: string; readonly header: PacketHeader }

async function readMade(db: Queryable, partitionId: number, packetNo: number): Promise<Made | undefined> {
  const packetId = await packetIdIn(db, partitionId, packetNo)
  return packetId === undefined
    ? undefined
    : { packetId, header: await readHeader(db, partitionId, packetNo) }
}

type StretchRow = {
  readonly appendNo: number
  readonly firstSeq: number
  readonly count: number
  readonly policyDigest: Uint8Array
  readonly constants: string
  readonly sources: string
  readonly firstEventMs: number
  readonly lastEventMs: number
  readonly lines: Uint8Array | null
}

/** The appends with events from one up to another, which make one packet; or why they are too much for one. */
async function readStretch(
  db: Queryable,
  partitionId: number,
  from: number,
  end: number,
): Promise<readonly StretchRow[] | string> {
  const range = [partitionId, from, end]
  const { rows: sums } = await db.query<{ bytes: number }>(
    `select coalesce(sum(octet_length(lines)), 0)::bigint as bytes from segments
      where partition_id = $1 and append_no >= $2 and append_no < $3`,
    range,
  )
  const bytes = sums[0]?.bytes ?? 0
  if (bytes > PACKET_BYTES_MAX)
    return `appends ${from} to ${end - 1} hold ${bytes} bytes without a seal mark between them, and a packet has room for ${PACKET_BYTES_MAX}`
  const { rows } = await db.query<StretchRow>(
    `select append_no as "appendNo", first_seq as "firstSeq", count, policy_digest as "policyDigest", constants,
        sources, first_event_ms as "firstEventMs", last_event_ms as "lastEventMs", lines
      from segments where partition_id = $1 and append_no >= $2 and append_no < $3 and count > 0 order by append_no`,
    range,
  )
  return rows
}

function segmentOf(partition: number, row: StretchRow): Segment[] {
  if (row.lines === null) return []
  const { firstSeq, count, firstEventMs, lastEventMs, lines } = row
  return [
    {
      partition,
      firstSeq,
      count,
      policyDigest: hexOf(row.policyDigest),
      constants: readConstants(row.constants),
      firstEventTimeMs: firstEventMs,
      lastEventTimeMs: lastEventMs,
      sources: orThrow(readSources(orThrow(parseJson(row.sources)))),
      lines,
    },
  ]
}

const readSources = closedReader<readonly PacketSource[]>('sources of a segment', 'log-invalid', sourcesCheck)
