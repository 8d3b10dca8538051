import type { Reader } from '../../core/registry/may-read.ts'
import type { EventQuestion, Reach } from '../../serve/event-question.ts'
import type { Queryable } from '../postgres/sql.ts'
import { readableSql, readerValues } from './readable.ts'

/** What the projections have not reached yet, of what may be asked for. */
export async function readReach(
  db: Queryable,
  reader: Reader,
  { streamId, level }: Pick<EventQuestion, 'streamId' | 'level'>,
): Promise<Reach> {
  const { rows } = await db.query<Reach>({
    name: 'read-reach',
    text: `select coalesce(sum(head.next_seq - coalesce(position.next_seq, 0)), 0)::bigint as "behindEvents",
        min((select appended_ms from segments
          where partition_id = head.partition_id and append_no >= coalesce(position.next_append, 0) and count > 0
          order by append_no limit 1)) as "upToMs"
      from partition_heads as head
      join partitions as opened on opened.id = head.partition_id
      join streams as stream on stream.stream_id = opened.stream_id
      left join projection_positions as position on position.partition_id = head.partition_id
      where head.next_seq > coalesce(position.next_seq, 0) and ${readableSql('stream', 1)}
        and ($3::text is null or opened.stream_id = $3) and ($4::text is null or opened.level = $4)`,
    values: [...readerValues(reader), streamId ?? null, level ?? null],
  })
  return rows[0] ?? { behindEvents: 0, upToMs: null }
}
