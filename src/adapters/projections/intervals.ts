import type { Pool } from 'pg'
import { inTransaction, type Queryable } from '../postgres/sql.ts'

/** Rows of `overlay_event_metrics` are about so much time each. */
export const INTERVAL_MS = 60_000
/** Events are counted by the time at which they came, and may be written a while later. */
const SETTLE_MS = 60_000
const INTERVALS_AT_ONCE = 60

/**
 * Counts the events of the intervals that are over and projected, by source, where no other node is at it. Resolves
 * with 'more' where there are further ones.
 */
export function countIntervals(pool: Pool, nowMs: number): Promise<'more' | undefined> {
  return inTransaction(pool, db => count(db, nowMs))
}

/** Counts all of them again, in one step. */
export function recountIntervals(pool: Pool, nowMs: number): Promise<void> {
  return inTransaction(pool, async db => {
    await db.query('select from projection_intervals for update')
    await db.query("delete from overlay_event_metrics where metric_type = 'ingestion'")
    await db.query('update projection_intervals set counted_ms = 0')
    let isMore = true
    while (isMore) isMore = (await count(db, nowMs)) === 'more'
  })
}

async function count(db: Queryable, nowMs: number): Promise<'more' | undefined> {
  const { rows } = await db.query<{ fromMs: number | null; countedMs: number }>({
    name: 'next-interval',
    // Where nothing has come for long, what is between is passed over.
    text: `select counted_ms as "countedMs",
        (select floor(extract(epoch from min(oldest.ingested_at)) * 1000)::bigint from projection_positions as position
          cross join lateral (select event.ingested_at from projected_events as event
            where event.partition_id = position.partition_id
              and event.ingested_at >= to_timestamp(counted_ms::double precision / 1000)
            order by event.ingested_at limit 1) as oldest) as "fromMs"
      from projection_intervals for update skip locked`,
  })
  const [next] = rows
  if (next === undefined || next.fromMs === null) return undefined
  const fromMs = next.fromMs - (next.fromMs % INTERVAL_MS)
  const settledMs = Math.min(nowMs - SETTLE_MS, (await unprojectedSince(db)) ?? nowMs)
  const intervals = Math.min(INTERVALS_AT_ONCE, Math.floor((settledMs - fromMs) / INTERVAL_MS))
  if (intervals <= 0) return undefined
  const toMs = fromMs + intervals * INTERVAL_MS
  await db.query({ name: 'count-intervals', text: sql, values: [fromMs, toMs, INTERVAL_MS] })
  await db.query('update projection_intervals set counted_ms = $1', [toMs])
  return intervals === INTERVALS_AT_ONCE ? 'more' : undefined
}

/** When the oldest append came that is not projected yet, less what its events may have waited for it. */
async function unprojectedSince(db: Queryable): Promise<number | undefined> {
  const { rows } = await db.query<{ sinceMs: number | null }>({
    name: 'unprojected-since',
    text: `select min(segment.appended_ms) as "sinceMs"
      from projection_positions as position
      join partition_heads as head on head.partition_id = position.partition_id
        and head.next_append > position.next_append
      join segments as segment
        on segment.partition_id = position.partition_id and segment.append_no = position.next_append`,
  })
  const sinceMs = rows[0]?.sinceMs ?? undefined
  return sinceMs === undefined ? undefined : sinceMs - SETTLE_MS
}

/** What was held back is counted for its source beside what was taken in. */
const sql = `
  with taken as (
    select source_id, floor(extract(epoch from ingested_at) * 1000 / $3::bigint)::bigint as interval, count(*) as events
      from projection_positions as position
      -- The offset has each partition looked up in the index by partitions, which is the only one by time.
      cross join lateral (select source_id, ingested_at from projected_events
        where partition_id = position.partition_id
          and ingested_at >= to_timestamp($1::bigint::double precision / 1000)
          and ingested_at < to_timestamp($2::bigint::double precision / 1000) offset 0) as event
      group by 1, 2
  ), held as (
    select source_id, received_ms / $3::bigint as interval, count(*) as events
      from quarantine where received_ms >= $1 and received_ms < $2 group by 1, 2
  )
  insert into overlay_event_metrics (metric_type, source_id, event_count, success_count, error_count,
      throughput_events_per_sec, recorded_at)
    select 'ingestion', source_id, coalesce(taken.events, 0) + coalesce(held.events, 0), coalesce(taken.events, 0),
        coalesce(held.events, 0), round(coalesce(taken.events, 0) * 1000.0 / $3::bigint, 3),
        to_timestamp(interval * $3::bigint::double precision / 1000)
      from taken full join held using (source_id, interval)
    on conflict do nothing`
