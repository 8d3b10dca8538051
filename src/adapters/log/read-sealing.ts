import * as z from 'zod'
import type { Json } from '../../core/canonical-json.ts'
import { readLineConstants } from '../../core/event/line.ts'
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
    segments: await readSegments(db, partitionId, record.partition, row.from_append, row.up_to_append),
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

async function readSegments(
  db: Queryable,
  partitionId: number,
  partition: number,
  fromAppend: number,
  upToAppend: number,
): Promise<Segment[]> {
  const values = [partitionId, fromAppend, upToAppend]
  const { rows } = await db.query<SegmentRow>({
    name: 'read-segments',
    text: `select first_seq, count, policy_digest, constants, sources, first_event_ms, last_event_ms
      from segments where ${between}`,
    values,
  })
  if (rows.length === 0) return []
  const lines = await readLines(db, values)
  const constantsOf = remembering((text: string) => orThrow(readLineConstants(asJson(text))))
  const sourcesOf = remembering((text: string): readonly PacketSource[] => sources.parse(asJson(text)))
  return rows.map((row, i) => {
    const own = lines[i]
    if (own === undefined || own === null)
      throw new Error(
        `The lines of partition ${partitionId} from sequence ${row.first_seq} on were given up; the payload of their packet has them.`,
      )
    return {
      partition,
      firstSeq: row.first_seq,
      count: row.count,
      policyDigest: hexOf(row.policy_digest),
      constants: constantsOf(row.constants),
      firstEventTimeMs: row.first_event_ms,
      lastEventTimeMs: row.last_event_ms,
      sources: sourcesOf(row.sources),
      lines: own,
    }
  })
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
async function readLines(db: Queryable, values: readonly unknown[]): Promise<(Uint8Array | null)[]> {
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

const asTheyCome = { getTypeParser: () => (value: unknown) => value }

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
