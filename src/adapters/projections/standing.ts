import type { Queryable } from '../postgres/sql.ts'

/** How far the stages behind ingest have come, over all partitions. */
export type Standing = {
  readonly unsealedEvents: number
  readonly unsealedBytes: number
  /** Null where everything is sealed. */
  readonly unsealedSinceMs: number | null
  readonly unprojectedEvents: number
  readonly unprojectedSinceMs: number | null
}

export async function readStanding(db: Queryable): Promise<Standing> {
  const { rows } = await db.query<Standing>({
    name: 'read-standing',
    text: `select coalesce(sum(head.next_seq - head.sealed_seq), 0)::bigint as "unsealedEvents",
        coalesce(sum(head.unsealed_bytes), 0)::bigint as "unsealedBytes",
        min(head.unsealed_since_ms) as "unsealedSinceMs",
        coalesce(sum(head.next_seq - coalesce(position.next_seq, 0)), 0)::bigint as "unprojectedEvents",
        min(case when head.next_append > coalesce(position.next_append, 0) then
          (select appended_ms from segments
            where partition_id = head.partition_id and append_no = coalesce(position.next_append, 0)) end)
          as "unprojectedSinceMs"
      from partition_heads as head
      left join projection_positions as position on position.partition_id = head.partition_id`,
  })
  const [standing] = rows
  if (standing === undefined) throw new Error('the database has counted nothing, not even to 0')
  return standing
}

/** Bytes of lines in the log, as far as it is projected; of the largest streams. */
export async function readStreamBytes(
  db: Queryable,
  streamsMax: number,
): Promise<{ streamId: string; bytes: number }[]> {
  const { rows } = await db.query<{ streamId: string; bytes: number }>({
    name: 'read-stream-bytes',
    text: `select opened.stream_id as "streamId", sum(position.bytes)::bigint as bytes
      from projection_positions as position
      join partitions as opened on opened.id = position.partition_id
      group by 1 order by 2 desc limit $1`,
    values: [streamsMax],
  })
  return rows
}
