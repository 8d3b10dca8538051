import type { Pool } from 'pg'
import { type Place, type Track, trackNumber } from '../../core/live/track.ts'
import { numbers } from '../postgres/sql.ts'

/**
 * Where these tracks of certified events and of news stood at a time: behind the last packet that was certified before it,
 * and at the first news that were told after it. A track of which nothing is said is up to date since then.
 */
export async function placesSince(
  tracks: readonly Track[],
  sinceMs: number,
  pool: Pool,
): Promise<Map<number, Place>> {
  const partitions = numbers([...new Set(tracks.map(({ partitionId }) => partitionId))])
  const { rows } = await pool.query<{ partitionId: number; packetNo: number | null }>({
    name: 'subscription-packets-since',
    // From the newest on: what is looked at is what will be delivered.
    text: `select asked.partition_id as "partitionId", (
        select packet_no from packet_states as known where known.partition_id = asked.partition_id
          and certified_at < to_timestamp($2::bigint / 1000.0) order by packet_no desc limit 1) as "packetNo"
      from unnest($1::integer[]) as asked (partition_id)`,
    values: [partitions, sinceMs],
  })
  const { rows: news } = await pool.query<{ partitionId: number; xid: number; id: number }>({
    name: 'subscription-news-since',
    text: `select distinct on (partition_id) partition_id as "partitionId", xid::text::bigint as xid, id
      from packet_news where told_at >= to_timestamp($2::bigint / 1000.0) and partition_id = any ($1::integer[])
      order by partition_id, xid, id`,
    values: [partitions, sinceMs],
  })
  return new Map([
    ...rows.map(({ partitionId, packetNo }): [number, Place] => [
      trackNumber({ partitionId, stage: 'certified' }),
      { at: packetNo === null ? 0 : packetNo + 1, line: 0 },
    ]),
    ...news.map(({ partitionId, xid, id }): [number, Place] => [
      trackNumber({ partitionId, stage: 'news' }),
      { at: xid, line: id },
    ]),
  ])
}
