import { sayable } from '../postgres/kept-text.ts'
import type { Queryable } from '../postgres/sql.ts'
import type { ScannedEvent } from './scan-segment.ts'

/** An event with its place in the log. */
export type PlacedEvent = ScannedEvent & { readonly partitionId: number; readonly seq: number }

/** A row for each. Arrays of text are put together here: the driver takes about ten times as long for it. */
export async function writeEvents(db: Queryable, era: number, events: readonly PlacedEvent[]): Promise<void> {
  if (events.length === 0) return
  const numbers = (of: (event: PlacedEvent) => number) => `{${events.map(of).join(',')}}`
  await db.query({
    name: 'write-events',
    text: `insert into projected_events (event_id, partition_id, era, seq, event_ms, ingested_at, flags, line_at,
          line_bytes, source_id, event_type, native_id, revises)
      select substring($2::bytea from (place * 32 - 31)::integer for 32), partition_id, $1, seq, event_ms,
          to_timestamp(ingest_ms::double precision / 1000), flags, line_at, line_bytes, source_id, event_type,
          native_id, decode(revises, 'hex')
        from unnest($3::integer[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::integer[],
            $9::integer[], $10::text[], $11::text[], $12::text[], $13::text[])
          with ordinality as event (partition_id, seq, event_ms, ingest_ms, flags, line_at, line_bytes, source_id,
            event_type, native_id, revises, place)`,
    values: [
      era,
      eventIdBytes(events),
      numbers(({ partitionId }) => partitionId),
      numbers(({ seq }) => seq),
      numbers(({ eventTimeMs }) => eventTimeMs),
      numbers(({ ingestTimeMs }) => ingestTimeMs),
      numbers(({ flags }) => flags),
      numbers(({ lineAt }) => lineAt),
      numbers(({ lineBytes }) => lineBytes),
      texts(events, ({ sourceId }) => sourceId),
      texts(events, ({ type }) => type),
      texts(events, ({ nativeId }) => nativeId),
      texts(events, ({ revises }) => revises),
    ],
  })
}

/** One after another, as a parameter of type bytea. */
export function eventIdBytes(events: readonly ScannedEvent[]): string {
  return `\\x${events.map(({ eventId }) => eventId).join('')}`
}

/** A short array stands for nulls behind its end, so that what no event has costs nothing. */
function texts(events: readonly PlacedEvent[], of: (event: PlacedEvent) => string | undefined): string {
  const quoted = new Map<string, string>()
  let hasAny = false
  const items = events.map(event => {
    const text = of(event)
    if (text === undefined) return 'null'
    hasAny = true
    let item = quoted.get(text)
    if (item === undefined) {
      item = quote(text)
      quoted.set(text, item)
    }
    return item
  })
  return hasAny ? `{${items.join(',')}}` : '{}'
}

/** What a text of the database cannot hold must not stop a partition. */
function quote(text: string): string {
  return `"${sayable(text).replace(/["\\]/g, '\\$&')}"`
}
