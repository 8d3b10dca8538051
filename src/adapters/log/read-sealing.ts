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
import { hexOf, type Queryable } from '../postgres/sql.ts'
import type { KeptLines } from './kept-lines.ts'

/** What the first packet is made from that a partition has a mark for, and no row; undefined where there is none. */
export async function readSealing(db: Queryable, partitionId: number): Promise<Sealing | undefined> {
  const { rows } = await db.query<{ next: number }>({
    name: 'next-packet-no',
    text: `select coalesce((select packet_no + 1 from packets where partition_id = $1 order by packet_no desc limit 1), 0)
      as next`,
    values: [partitionId],
  })
  const packetNo = rows[0]?.next ?? 0
  const marked = await readMark(db, partitionId, packetNo)
  if (marked === undefined) return undefined
  const previous = packetNo === 0 ? null : await readHeader(db, partitionId, packetNo - 1)
  return { ...marked, previous }
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
    text: `select mark.*, coalesce(before.up_to_append, 0) as from_append, opened.stream_id, opened.partition,
        opened.log, opened.network, opened.level, opened.audience, opened.shards_by, opened.shards_index,
        opened.shards_count
      from seal_marks as mark join partitions as opened on opened.id = mark.partition_id
        left join seal_marks as before on before.partition_id = $1 and before.packet_no = $2::bigint - 1
      where mark.partition_id = $1 and mark.packet_no = $2`,
    values: [partitionId, packetNo],
  })
  const [row] = rows
  if (row === undefined) return undefined
  const record = recordOf(row)
  return {
    record,
    segments: await readSegments(db, {
      ...{ partitionId, partition: record.partition },
      ...{ fromAppend: row.from_append, upToAppend: row.up_to_append, keptLines },
    }),
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

type Appends = {
  readonly partitionId: number
  readonly partition: number
  readonly fromAppend: number
  readonly upToAppend: number
  readonly keptLines: KeptLines | undefined
}

async function readSegments(db: Queryable, appends: Appends): Promise<Segment[]> {
  const { partitionId, partition, fromAppend, upToAppend, keptLines = noKeptLines } = appends
  const values = [partitionId, fromAppend, upToAppend]
  const { rows } = await db.query<SegmentRow>({
    name: 'sealing-segments',
    text: `select first_seq, count, policy_digest, constants, sources, first_event_ms, last_event_ms
      from segments where ${between}`,
    values,
  })
  if (rows.length === 0) return []
  const lines = await readLines(db, values)
  const constantsOf = remembering(readConstants)
  const sourcesOf = remembering((text: string): readonly PacketSource[] => sources.parse(asJson(text)))
  const segments: Segment[] = []
  for (const [i, row] of rows.entries())
    segments.push({
      partition,
      firstSeq: row.first_seq,
      count: row.count,
      policyDigest: hexOf(row.policy_digest),
      constants: constantsOf(row.constants),
      firstEventTimeMs: row.first_event_ms,
      lastEventTimeMs: row.last_event_ms,
      sources: sourcesOf(row.sources),
      lines: lines[i] ?? (await keptLines(partitionId, row.first_seq, row.count)),
    })
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

const between = 'partition_id = $1 and append_no >= $2 and append_no < $3 and count > 0 order by append_no'

type SegmentRow = {
  readonly first_seq: number
  readonly count: number
  readonly policy_digest: Uint8Array
  readonly constants: string
  readonly sources: string
  readonly first_event_ms: number
  readonly last_event_ms: number
}

/** As bytes rather than as text that spells them, which is twice as long. */
export async function readLines(db: Queryable, values: readonly unknown[]): Promise<(Uint8Array | null)[]> {
  const query = {
    name: 'read-lines',
    text: `select lines from segments where ${between}`,
    values: [...values],
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
