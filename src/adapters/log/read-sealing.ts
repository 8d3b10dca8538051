import * as z from 'zod'
import type { Json } from '../../core/canonical-json.ts'
import { type LineConstants, readLineConstants } from '../../core/event/line.ts'
import { orThrow } from '../../core/fault.ts'
import { type PartitionRecord, readPartitionRecord, type Segment } from '../../core/log/entries.ts'
import {
  authentications,
  type PacketHeader,
  type PacketSource,
  readPacketHeader,
} from '../../core/log/packet-header.ts'
import type { Sealing } from '../../packets/ports.ts'
import { hexOf, numbers, type Queryable } from '../postgres/sql.ts'
import type { KeptLines } from './kept-lines.ts'

/** Of each partition, what the first packet is made from that it has a mark for, and no row. */
export async function readSealings(
  db: Queryable,
  partitionIds: readonly number[],
): Promise<(Sealing | undefined)[]> {
  const { rows } = await db.query<MarkRow & { previous_header: string | null }>({
    name: 'read-next-marks',
    text: `select ${markColumns}, previous.header as previous_header
      from unnest($1::integer[]) as wanted (id)
        cross join lateral (select coalesce((select packet_no + 1 from packets where partition_id = wanted.id
          order by packet_no desc limit 1), 0) as packet_no) as next
        cross join lateral (select * from seal_marks
          where partition_id = wanted.id and packet_no = next.packet_no offset 0) as mark ${besideMark}
        left join lateral (select header from packets
          where partition_id = wanted.id and packet_no = next.packet_no - 1 offset 0) as previous on true`,
    values: [numbers(partitionIds)],
  })
  const marked = await withSegments(db, rows)
  const found = new Map<number, Sealing>()
  for (const [i, row] of rows.entries()) {
    const each = marked[i]
    const { previous_header: header } = row
    const previous = header === null ? null : orThrow(readPacketHeader(JSON.parse(header)))
    if (each !== undefined) found.set(row.partition_id, { ...each, previous })
  }
  return partitionIds.map(id => found.get(id))
}

/** One packet's part of the log, and nothing that follows from it. */
export async function readMark(
  db: Queryable,
  partitionId: number,
  packetNo: number,
  keptLines?: KeptLines,
): Promise<Omit<Sealing, 'previous'> | undefined> {
  const { rows } = await db.query<MarkRow>({
    name: 'read-mark',
    text: `select ${markColumns} from seal_marks as mark ${besideMark}
      where mark.partition_id = $1 and mark.packet_no = $2`,
    values: [partitionId, packetNo],
  })
  const [marked] = await withSegments(db, rows, keptLines)
  return marked
}

const markColumns = `mark.*, coalesce(before.up_to_append, 0) as from_append, opened.stream_id, opened.partition,
  opened.log, opened.network, opened.level, opened.audience, opened.shards_by, opened.shards_index, opened.shards_count`
const besideMark = `join partitions as opened on opened.id = mark.partition_id
  left join lateral (select up_to_append from seal_marks
    where partition_id = mark.partition_id and packet_no = mark.packet_no - 1 offset 0) as before on true`

async function withSegments(
  db: Queryable,
  rows: readonly MarkRow[],
  keptLines?: KeptLines,
): Promise<Omit<Sealing, 'previous'>[]> {
  const segments = await readSegments(db, rows, keptLines)
  return rows.map((row, i) => {
    const record = recordOf(row)
    return {
      record,
      segments: segments[i] ?? [],
      mark: {
        partition: record.partition,
        upToSeq: row.up_to_seq,
        watermarkMs: row.watermark_ms,
        policyDigest: hexOf(row.policy_digest),
        rosterDigest: hexOf(row.roster_digest),
        totals: {
          received: row.received,
          accepted: row.up_to_seq,
          duplicate: row.duplicate,
          rejected: row.rejected,
          quarantined: row.quarantined,
          waived: row.waived,
        },
      },
      because: row.because,
      markedMs: row.marked_ms,
    }
  })
}

export type PartitionRow = {
  readonly stream_id: string
  readonly partition: number
  readonly log: Uint8Array
  readonly network: string
  readonly level: string
  readonly audience: string
  readonly shards_by: string
  readonly shards_index: number
  readonly shards_count: number
}

type MarkRow = PartitionRow & {
  readonly partition_id: number
  readonly packet_no: number
  readonly up_to_seq: number
  readonly up_to_append: number
  readonly from_append: number
  readonly watermark_ms: number
  readonly policy_digest: Uint8Array
  readonly roster_digest: Uint8Array
  readonly received: number
  readonly duplicate: number
  readonly rejected: number
  readonly quarantined: number
  readonly waived: number
  readonly because: string
  readonly marked_ms: number
}

export function recordOf(row: PartitionRow): PartitionRecord {
  return orThrow(
    readPartitionRecord({
      v: 1,
      log: hexOf(row.log),
      streamId: row.stream_id,
      partition: row.partition,
      level: row.level,
      audience: row.audience,
      network: row.network,
      shards: { by: row.shards_by, index: row.shards_index, count: row.shards_count },
    }),
  )
}

export async function readHeader(
  db: Queryable,
  partitionId: number,
  packetNo: number,
): Promise<PacketHeader> {
  const { rows } = await db.query<{ header: string }>({
    name: 'read-header',
    text: 'select header from packets where partition_id = $1 and packet_no = $2',
    values: [partitionId, packetNo],
  })
  if (rows[0] === undefined)
    throw new Error(
      `Packet ${packetNo} of partition ${partitionId} is missing, and the one after it is wanted. The log is damaged: restore it.`,
    )
  return orThrow(readPacketHeader(JSON.parse(rows[0].header)))
}

async function readSegments(
  db: Queryable,
  marks: readonly MarkRow[],
  keptLines: KeptLines = noKeptLines,
): Promise<Segment[][]> {
  const spans = marks.map(({ partition_id, from_append, up_to_append }) => ({
    ...{ partitionId: partition_id, fromAppend: from_append, upToAppend: up_to_append },
  }))
  const { rows } = await db.query<SegmentRow>({
    name: 'sealing-segments',
    text: `select span.no - 1 as span, first_seq, count, policy_digest, constants, sources, first_event_ms, last_event_ms
      ${inSpans}`,
    values: spanValues(spans),
  })
  const segments = marks.map((): Segment[] => [])
  if (rows.length === 0) return segments
  const lines = await readLines(db, spans)
  const constantsOf = remembering(readConstants)
  const sourcesOf = remembering((text: string): readonly PacketSource[] => sources.parse(asJson(text)))
  for (const [i, row] of rows.entries()) {
    const mark = marks[row.span]
    if (mark === undefined) continue
    segments[row.span]?.push({
      partition: mark.partition,
      firstSeq: row.first_seq,
      count: row.count,
      policyDigest: hexOf(row.policy_digest),
      constants: constantsOf(row.constants),
      firstEventTimeMs: row.first_event_ms,
      lastEventTimeMs: row.last_event_ms,
      sources: sourcesOf(row.sources),
      lines: lines[i] ?? (await keptLines(mark.partition_id, row.first_seq, row.count)),
    })
  }
  return segments
}

const noKeptLines: KeptLines = async (partitionId, firstSeq) => {
  throw new Error(
    `The lines of partition ${partitionId} from sequence ${firstSeq} on were given up; the payload of their packet has them.`,
  )
}

export function readConstants(text: string): LineConstants {
  return orThrow(readLineConstants(asJson(text)))
}

/** Appends of one partition, from the first on to before the last. */
export type AppendSpan = {
  readonly partitionId: number
  readonly fromAppend: number
  readonly upToAppend: number
}

// Each by its place in the index, however many are asked for.
const inSpans = `from unnest($1::integer[], $2::bigint[], $3::bigint[]) with ordinality
      as span (partition_id, from_append, up_to_append, no)
    cross join lateral (select * from segments where partition_id = span.partition_id
      and append_no >= span.from_append and append_no < span.up_to_append and count > 0 offset 0) as segment
  order by span.no, append_no`

function spanValues(spans: readonly AppendSpan[]): string[] {
  return [
    numbers(spans.map(({ partitionId }) => partitionId)),
    numbers(spans.map(({ fromAppend }) => fromAppend)),
    numbers(spans.map(({ upToAppend }) => upToAppend)),
  ]
}

type SegmentRow = {
  readonly span: number
  readonly first_seq: number
  readonly count: number
  readonly policy_digest: Uint8Array
  readonly constants: string
  readonly sources: string
  readonly first_event_ms: number
  readonly last_event_ms: number
}

/** As bytes rather than as text that spells them, which is twice as long. */
export async function readLines(db: Queryable, spans: readonly AppendSpan[]): Promise<(Uint8Array | null)[]> {
  const query = {
    name: 'read-lines',
    text: `select lines ${inSpans}`,
    values: spanValues(spans),
    binary: true,
    types: asTheyCome,
  }
  const { rows } = await db.query<{ lines: Uint8Array | null }>(query)
  return rows.map(({ lines }) => lines)
}

/** Columns of a binary query, which has bytes in it and nothing else. */
export const asTheyCome = { getTypeParser: () => (value: unknown) => value }

const sources = z.array(
  z.strictObject({ sourceId: z.string(), authenticated: z.enum(authentications) }).readonly(),
)

function asJson(text: string): Json {
  return JSON.parse(text)
}

/** Segments that follow each other say the same of themselves, most of the time. */
function remembering<T>(read: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>()
  return text => {
    const before = known.get(text)
    if (before !== undefined) return before
    const value = read(text)
    known.set(text, value)
    return value
  }
}
