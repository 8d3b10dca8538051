import type { Queryable } from '../../postgres/sql.ts'

/**
 * Forgets news that were told before this time, the oldest first, and notes up to where: whoever has not heard them is told
 * that there was something. Resolves with how many they were.
 */
export async function sweepNews(db: Queryable, beforeMs: number, rowsMax: number): Promise<number> {
  const { rows } = await db.query<{ swept: number }>({
    name: 'live-news-sweep',
    text: `with gone as (
        delete from packet_news where (partition_id, xid, id) in (
          select partition_id, xid, id from packet_news where told_at < to_timestamp($1::bigint / 1000.0)
            order by told_at limit $2 for update skip locked)
          returning partition_id, xid, id
      ), noted as (
        insert into packet_news_swept as known (partition_id, xid, id)
          select distinct on (partition_id) partition_id, xid, id from gone order by partition_id, xid desc, id desc
          on conflict (partition_id) do update set xid = excluded.xid, id = excluded.id
            where (known.xid, known.id) < (excluded.xid, excluded.id)
      )
      select count(*)::integer as swept from gone`,
    values: [beforeMs, rowsMax],
  })
  return rows[0]?.swept ?? 0
}
