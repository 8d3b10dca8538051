import type { Pool } from 'pg'
import type { PlacedEnvelope } from '../../core/event/envelope.ts'
import { type LineConstants, readLine } from '../../core/event/line.ts'
import { orThrow } from '../../core/fault.ts'
import type { PartitionRecord } from '../../core/log/entries.ts'
import type { KeptLines } from './kept-lines.ts'
import { asTheyCome, type PartitionRow, readConstants, recordOf } from './read-sealing.ts'

/** The log from its readers' side: each partition in order, from any place, as often as one likes. */
export type LogReader = {
  partitions(streamId: string): Promise<readonly PartitionView[]>
  /** Where a partition ends now; undefined where there is no such partition. */
  head(partitionId: number): Promise<PartitionEnd | undefined>
  /**
   * Events from this sequence on that are durable, without gaps: at least one where there is one, and not more than asked for.
   * What is answered does not change any more, and nothing comes in before it.
   */
  readEvents(partitionId: number, fromSeq: number, limit: number): Promise<readonly PlacedLine[]>
  readEvent(partitionId: number, seq: number): Promise<PlacedLine | undefined>
}

export type PartitionView = { readonly partitionId: number; readonly record: PartitionRecord }

export type PartitionEnd = {
  readonly nextSeq: number
  /** Up to here events are in packets. */
  readonly sealedSeq: number
  readonly nextPacket: number
  readonly watermarkMs: number
  readonly lastEventTimeMs: number | null
  readonly lastIngestTimeMs: number | null
  readonly lastEventId: string | null
}

export type PlacedLine = {
  readonly seq: number
  readonly line: string
  readonly constants: LineConstants
}

/** The event as it is served: with its place, which its line leaves out. */
export function envelopeAt({ seq, line, constants }: PlacedLine, partition: number): PlacedEnvelope {
  return { ...orThrow(readLine(line, constants)), partition, seq }
}

/** Of one answer; a segment is read whole. */
const READ_BYTES_MAX = 8 * 1024 * 1024

export function openLogReader({ pool, keptLines }: { pool: Pool; keptLines: KeptLines }): LogReader {
  const readEvents: LogReader['readEvents'] = async (partitionId, fromSeq, limit) => {
    if (limit < 1) return []
    const segments = await readSegmentsAt({ pool, keptLines }, partitionId, fromSeq, limit)
    return segments.flatMap(segment => placedIn(segment, fromSeq, fromSeq + limit))
  }
  return {
    async partitions(streamId) {
      const { rows } = await pool.query<PartitionRow & { id: number }>({
        name: 'partitions-of',
        text: 'select * from partitions where stream_id = $1 order by partition',
        values: [streamId],
      })
      return rows.map(row => ({ partitionId: row.id, record: recordOf(row) }))
    },
    async head(partitionId) {
      const { rows } = await pool.query<PartitionEnd>({
        name: 'partition-end',
        text: `select next_seq as "nextSeq", sealed_seq as "sealedSeq", next_packet as "nextPacket",
            watermark_ms as "watermarkMs", event_ms_max as "lastEventTimeMs",
            last_appended_ms as "lastIngestTimeMs", encode(last_event_id, 'hex') as "lastEventId"
          from partition_heads where partition_id = $1`,
        values: [partitionId],
      })
      return rows[0]
    },
    readEvents,
    readEvent: async (partitionId, seq) => (await readEvents(partitionId, seq, 1))[0],
  }
}

type SegmentAt = {
  readonly firstSeq: number
  readonly count: number
  readonly constants: LineConstants
  readonly lines: Uint8Array
}

async function readSegmentsAt(
  { pool, keptLines }: { pool: Pool; keptLines: KeptLines },
  partitionId: number,
  fromSeq: number,
  limit: number,
): Promise<SegmentAt[]> {
  const { rows } = await pool.query<{ first_seq: number; count: number; constants: string }>({
    name: 'segments-at',
    text: `select first_seq, count, constants from (
        select first_seq, count, constants,
          coalesce(sum(octet_length(lines)) over (order by first_seq
            rows between unbounded preceding and 1 preceding), 0) as before
        from segments where partition_id = $1 and count > 0 and first_seq < $2::bigint + $3
          and first_seq >= coalesce((select first_seq from segments
            where partition_id = $1 and count > 0 and first_seq <= $2 order by first_seq desc limit 1), $2)
        order by first_seq limit ${SEGMENTS_AT_ONCE}) as there
      where before < ${READ_BYTES_MAX} and first_seq + count > $2 order by first_seq`,
    values: [partitionId, fromSeq, limit],
  })
  const [first, last] = [rows.at(0), rows.at(-1)]
  if (first === undefined || last === undefined) return []
  const query = {
    name: 'lines-at',
    text: `select lines from segments
      where partition_id = $1 and count > 0 and first_seq between $2 and $3 order by first_seq`,
    values: [partitionId, first.first_seq, last.first_seq],
    binary: true,
    types: asTheyCome,
  }
  const read = await pool.query<{ lines: Uint8Array | null }>(query)
  const segments: SegmentAt[] = []
  for (const [i, row] of rows.entries())
    segments.push({
      firstSeq: row.first_seq,
      count: row.count,
      constants: readConstants(row.constants),
      lines: read.rows[i]?.lines ?? (await keptLines(partitionId, row.first_seq, row.count)),
    })
  return segments
}

const SEGMENTS_AT_ONCE = 1_000

function placedIn({ firstSeq, lines, constants }: SegmentAt, fromSeq: number, endSeq: number): PlacedLine[] {
  const texts = Buffer.from(lines.buffer, lines.byteOffset, lines.length).toString().split('\n').slice(0, -1)
  return texts
    .map((line, i) => ({ seq: firstSeq + i, line, constants }))
    .filter(({ seq }) => seq >= fromSeq && seq < endSeq)
}
