import type { Queryable } from '../postgres/sql.ts'

/** Up to where partitions are complete, those that took something in last first. */
export async function readWatermarks(
  db: Queryable,
  limit: number,
): Promise<{ streamId: string; partition: number; eventTimeMs: number; ingestTimeMs: number }[]> {
  const { rows } = await db.query({
    name: 'read-watermarks',
    text: `select opened.stream_id as "streamId", opened.partition, last_appended_ms as "ingestTimeMs",
        greatest(watermark_ms, event_ms_max - lateness_ms) as "eventTimeMs"
      from partition_heads join partitions as opened on opened.id = partition_id join streams using (stream_id)
      where event_ms_max is not null order by last_appended_ms desc limit $1`,
    values: [limit],
  })
  return rows
}
