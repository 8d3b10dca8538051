import { type LineConstants, readLineConstants } from '../../core/event/line.ts'
import { orThrow } from '../../core/fault.ts'
import type { Queryable } from '../postgres/sql.ts'

/** Segments of one partition, in a row: from the first of these appends up to the last, which is not among them. */
export type Stretch = {
  readonly partitionId: number
  readonly fromAppend: number
  readonly toAppend: number
  readonly toSeq: number
  readonly bytes: number
}

export type StretchBounds = {
  readonly eventsMax: number
  readonly bytesMax: number
  /** Of one partition, so that a busy one leaves room for others. */
  readonly segmentsMax: number
}

/** Where reading a partition begins, and where it ends at the latest. */
export type Reach = {
  readonly partitionId: number
  readonly fromAppend: number
  readonly fromSeq: number
  readonly endAppend: number
}

/**
 * As much of what these partitions hold as the bounds allow, and at least one segment; `isCut` where they hold more.
 * It is chosen by what the segments say of themselves, before any line is read.
 */
export async function planStretches(
  db: Queryable,
  reaches: readonly Reach[],
  { eventsMax, bytesMax, segmentsMax }: StretchBounds,
): Promise<{ stretches: Stretch[]; isCut: boolean }> {
  const { rows } = await db.query<{ partitionId: number; count: number; bytes: number }>({
    name: 'plan-stretches',
    text: `select reach.partition_id as "partitionId", segment.count, coalesce(octet_length(segment.lines), 0) as bytes
      from unnest($1::integer[], $2::bigint[], $3::bigint[]) with ordinality
        as reach (partition_id, from_append, end_append, turn)
      cross join lateral (
        select append_no, count, lines from segments
          where partition_id = reach.partition_id and append_no >= reach.from_append
            and append_no < reach.end_append
          order by append_no limit $4) as segment
      order by reach.turn, segment.append_no`,
    values: [
      reaches.map(({ partitionId }) => partitionId),
      reaches.map(({ fromAppend }) => fromAppend),
      reaches.map(({ endAppend }) => endAppend),
      segmentsMax,
    ],
  })
  const stretches = new Map<number, Mutable<Stretch>>(
    reaches.map(({ partitionId, fromAppend, fromSeq }) => [
      partitionId,
      { partitionId, fromAppend, toAppend: fromAppend, toSeq: fromSeq, bytes: 0 },
    ]),
  )
  let [events, bytes] = [0, 0]
  for (const row of rows) {
    events += row.count
    bytes += row.bytes
    if (events > row.count && (events > eventsMax || bytes > bytesMax)) break
    const stretch = stretches.get(row.partitionId)
    if (stretch === undefined) throw new Error(`partition ${row.partitionId} was not asked for`)
    stretch.toAppend += 1
    stretch.toSeq += row.count
    stretch.bytes += row.bytes
  }
  const isCut = reaches.some(
    ({ partitionId, endAppend }) => (stretches.get(partitionId)?.toAppend ?? endAppend) < endAppend,
  )
  return {
    stretches: [...stretches.values()].filter(({ fromAppend, toAppend }) => toAppend > fromAppend),
    isCut,
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** A segment that has events, and its lines, which retention may have taken away. */
export type ReadSegment = {
  readonly partitionId: number
  readonly appendNo: number
  readonly firstSeq: number
  readonly count: number
  readonly constants: LineConstants
  /** A character per byte, which comes over the wire in half the time that bytes take. */
  readonly lines: string | null
}

/** In the order of partitions and appends. */
export async function readSegments(db: Queryable, stretches: readonly Stretch[]): Promise<ReadSegment[]> {
  const { rows } = await db.query<Omit<ReadSegment, 'constants'> & { constants: string }>({
    name: 'project-segments',
    text: `select segment.partition_id as "partitionId", append_no as "appendNo", first_seq as "firstSeq", count,
        constants, convert_from(lines, 'LATIN1') as lines
      from unnest($1::integer[], $2::bigint[], $3::bigint[]) as stretch (partition_id, from_append, to_append)
      join segments as segment on segment.partition_id = stretch.partition_id
        and append_no >= from_append and append_no < to_append
      where count > 0 order by segment.partition_id, append_no`,
    values: [
      stretches.map(({ partitionId }) => partitionId),
      stretches.map(({ fromAppend }) => fromAppend),
      stretches.map(({ toAppend }) => toAppend),
    ],
  })
  return rows.map(row => ({ ...row, constants: readConstants(row.constants) }))
}

/** As ingest has written them. */
export function readConstants(text: string): LineConstants {
  return orThrow(readLineConstants(JSON.parse(text)))
}
