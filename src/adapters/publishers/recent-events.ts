import type { Envelope } from '../../core/event/envelope.ts'
import { readLine } from '../../core/event/line.ts'
import { orThrow } from '../../core/fault.ts'
import type { Queryable } from '../postgres/sql.ts'
import { readConstants } from '../projections/read-segments.ts'

/** However many are asked for: lines are parsed where everybody else is served. */
const LINES_BYTES_MAX = 1_000_000

/**
 * The newest events of a stream that are projected and whose lines are still in the log, in the order in which they came, as far as
 * their lines are not too long together.
 */
export async function readRecentEvents(db: Queryable, streamId: string, limit: number): Promise<Envelope[]> {
  const { rows } = await db.query<{ constants: string; line: string }>({
    name: 'recent-events',
    text: `select segment.constants,
        convert_from(substring(segment.lines from event.line_at + 1 for event.line_bytes), 'UTF8') as line
      from (
        select newest.*, sum(line_bytes) over (order by ingested_at desc, partition_id desc, seq desc) as bytes from partitions as opened cross join lateral (
          select partition_id, seq, ingested_at, line_at, line_bytes from projected_events as one
            where one.partition_id = opened.id order by one.partition_id desc, ingested_at desc, seq desc limit $2) as newest
          where opened.stream_id = $1 order by ingested_at desc, partition_id desc, seq desc limit $2
      ) as event cross join lateral (
        select constants, lines from segments
          where partition_id = event.partition_id and first_seq <= event.seq and count > 0
          order by first_seq desc limit 1) as segment
      where segment.lines is not null and event.bytes <= $3
      order by event.ingested_at, event.partition_id, event.seq`,
    values: [streamId, limit, LINES_BYTES_MAX],
  })
  return rows.map(({ constants, line }) => orThrow(readLine(line, readConstants(constants))))
}
