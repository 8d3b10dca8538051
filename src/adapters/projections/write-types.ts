import { sayable } from '../postgres/kept-text.ts'
import type { Queryable } from '../postgres/sql.ts'
import { numbers, texts } from '../postgres/sql.ts'
import type { PlacedEvent } from './write-events.ts'

/** A row for each type that a partition has, with when its last event came: a few for thousands of events. */
export async function writeTypes(db: Queryable, events: readonly PlacedEvent[]): Promise<void> {
  const newest = new Map<string, PlacedEvent>()
  for (const event of events) {
    const key = `${event.partitionId} ${event.type}`
    const known = newest.get(key)
    if (known === undefined || known.ingestTimeMs < event.ingestTimeMs) newest.set(key, event)
  }
  if (newest.size === 0) return
  const rows = [...newest.values()]
  await db.query({
    name: 'write-types',
    // In one order, so that nodes that project other partitions never wait for one another in a circle.
    text: `insert into projected_types as known (partition_id, event_type, last_at)
      select partition_id, event_type, to_timestamp(last_ms::double precision / 1000)
        from unnest($1::integer[], $2::text[], $3::bigint[]) as said (partition_id, event_type, last_ms)
        order by event_type collate "C", partition_id
      on conflict (event_type, partition_id) do update set last_at = excluded.last_at
        where known.last_at < excluded.last_at`,
    values: [
      numbers(rows.map(({ partitionId }) => partitionId)),
      texts(rows.map(({ type }) => sayable(type))),
      numbers(rows.map(({ ingestTimeMs }) => ingestTimeMs)),
    ],
  })
}
