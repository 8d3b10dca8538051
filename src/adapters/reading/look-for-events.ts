import type { Reader } from '../../core/registry/may-read.ts'
import type { Looked, Position } from '../../serve/event-page.ts'
import type { EventQuestion } from '../../serve/event-question.ts'
import { hexOf, type Queryable } from '../postgres/sql.ts'
import { readableSql, readerValues } from './readable.ts'

/** A row of the projections, as it was written. */
export type ProjectedEvent = {
  readonly eventId: string
  readonly partitionId: number
  readonly seq: number
  readonly sourceId: string
  readonly type: string
  readonly nativeId: string | null
  readonly eventTimeMs: number
  readonly ingestTimeMs: number
}

export type LookBounds = {
  /** Places that are looked at for one page, those with the newest events first. */
  readonly placesMax: number
  /** Events that are looked at for one page, in all places together, whether they fit or not. */
  readonly eventsMax: number
  /** The same, where each has to be asked what has become of it. */
  readonly statesMax: number
}

export const lookBounds: LookBounds = { placesMax: 64, eventsMax: 5_000, statesMax: 2_000 }

/** A place is a partition, or what some sources have written to one. */
type Looking = {
  readonly reader: Reader
  readonly question: EventQuestion & { readonly sourceIds?: readonly string[] }
  readonly below: Position | null
  /** At least so many, where there are. */
  readonly wanted: number
}

/**
 * Looks for events from `below` on, at most so far as the bounds allow: in each place that may be read as many as are
 * wanted, and where looking stopped.
 */
export async function lookForEvents(
  db: Queryable,
  { reader, question, below, wanted }: Looking,
  bounds: LookBounds = lookBounds,
): Promise<Looked<ProjectedEvent>[]> {
  const { streamId, level, sourceId, sourceIds, type, states, fromMs, untilMs } = question
  const sources = sourceIds ?? (sourceId === undefined ? undefined : [sourceId])
  const eventsMax = states === undefined ? bounds.eventsMax : bounds.statesMax
  const { rows } = await db.query<LookedRow>({
    text: statement(sources !== undefined, type !== undefined, states !== undefined),
    values: [
      ...readerValues(reader),
      streamId ?? null,
      level ?? null,
      below?.ingestMs ?? null,
      below?.partitionId ?? null,
      below?.seq ?? null,
      fromMs ?? null,
      untilMs ?? null,
      wanted,
      eventsMax,
      bounds.placesMax,
      sources ?? [],
      type ?? '',
      states ?? [],
    ],
  })
  return rows.map(asLooked)
}

export type LookedRow = {
  readonly kind: 'fits' | 'passed' | 'unlooked'
  readonly isLast: boolean
  readonly eventId: Uint8Array
  readonly partitionId: number
  readonly seq: number
  readonly ingestTimeMs: number
  readonly eventTimeMs: number
  readonly sourceId: string
  readonly type: string
  readonly nativeId: string | null
}

export function asLooked({ kind, isLast, eventId, ...event }: LookedRow): Looked<ProjectedEvent> {
  const { partitionId, seq, ingestTimeMs: ingestMs } = event
  // Nothing of that place was looked at: also its newest is still behind where looking stopped.
  if (kind === 'unlooked')
    return { position: { ingestMs, partitionId, seq: seq + 1 }, item: null, isStop: true }
  const item = kind === 'fits' ? { eventId: hexOf(eventId), ...event } : null
  return { position: { ingestMs, partitionId, seq }, item, isStop: isLast }
}

/** A parameter in milliseconds, exactly as projections have written it. */
export const msTime = (parameter: string) => `to_timestamp(${parameter}::bigint::double precision / 1000)`

/**
 * Rows are compared with all columns of an index, and asked for in its order: no other plan than reading the index from
 * where the page begins is cheaper, whatever the planner believes of the table.
 */
function statement(bySource: boolean, byType: boolean, byState: boolean): string {
  const key = bySource ? 'source_id, partition_id, ingested_at, seq' : 'partition_id, ingested_at, seq'
  const place = bySource ? 'place.source_id, place.id' : 'place.id'
  const columns = key
    .split(', ')
    .map(column => `event.${column}`)
    .join(', ')
  const newestFirst = columns.replaceAll(/(event\.\w+)/g, '$1 desc')
  const inPlace = `(${columns}) < (${place}, place.below_at, place.below_seq)
        and (${columns}) >= (${place}, ${`coalesce(${msTime('$8')}, '-infinity'::timestamptz)`}, 0)`
  const fits = [
    ...(byType ? ['event.event_type = $14'] : []),
    ...(byState ? [`coalesce(${stateOf}, 'received') = any ($15)`] : []),
  ]
  // Every parameter has a type, also where the statement has no use for it.
  return `
  with asked as (
    select $14::text as type, $15::text[] as states, $13::text[] as sources, $9::bigint as until_ms
  ), opened as (
    select opened.id, least(${[byType ? "known.last_at + interval '1 millisecond'" : "'infinity'::timestamptz", ...(byState ? [newestInState] : [])].join(', ')}) as until_at
      from partitions as opened join streams as stream on stream.stream_id = opened.stream_id
      ${byType ? 'join projected_types as known on known.partition_id = opened.id and known.event_type = $14' : ''}
      where ${readableSql('stream', 1)} and ($3::text is null or opened.stream_id = $3)
        and ($4::text is null or opened.level = $4)
  ), bounded as (
    select id, least(${msTime('$5')}, ${msTime('$9')}, until_at) as below_at from opened
  ), places as materialized (
    select bounded.*, case when below_at < coalesce(${msTime('$5')}, 'infinity'::timestamptz) then -1
        when bounded.id < $6::integer then 9223372036854775807
          when bounded.id = $6 then $7::bigint else -1 end as below_seq
        ${bySource ? ', source.id collate "C" as source_id' : ''}
      from bounded ${bySource ? 'cross join unnest($13::text[]) as source (id)' : ''}
  ), nearest as materialized (
    select place.*, newest.event_id, newest.ingested_at, newest.seq,
        row_number() over (order by newest.ingested_at desc, place.id desc, newest.seq desc) as turn
      from places as place
      cross join lateral (
        select event.event_id, event.ingested_at, event.seq from projected_events as event
          where ${inPlace} order by ${newestFirst} limit 1) as newest
      order by turn limit $12::integer + 1
  ), looked as (
    select case when found.fits then 'fits' else 'passed' end as kind, found.nth = quota.events as is_last, found.event_id,
        found.partition_id, found.seq, found.ingested_at, found.event_ms, found.source_id, found.event_type, found.native_id
      from (select greatest($10::bigint, $11::bigint / greatest(1, least($12, count(*)))) as events from nearest) as quota
      cross join nearest as place
      cross join lateral (
        select * from (
          select event.*, ${fits.join(' and ') || 'true'} as fits, row_number() over () as nth
            from (select event.event_id, event.partition_id, event.seq, event.ingested_at, event.event_ms,
                  event.source_id, event.event_type, event.native_id from projected_events as event
                where ${inPlace} order by ${newestFirst} limit quota.events) as event) as each
          where fits or nth = quota.events limit $10) as found
      where place.turn <= $12
    union all
    select 'unlooked', true, place.event_id, place.id, place.seq, place.ingested_at, 0, '', '', null
      from nearest as place where place.turn > $12
  )
  select kind, is_last as "isLast", event_id as "eventId", partition_id as "partitionId", seq,
      round(extract(epoch from ingested_at) * 1000)::bigint as "ingestTimeMs", event_ms as "eventTimeMs",
      source_id as "sourceId", event_type as type, native_id as "nativeId" from looked`
}

/** What has become of `event`; null where nothing has. */
export const stateOf = `(select became.state from (
        select sealed.packet_no, sealed.first_seq + sealed.count as end_seq from packets as sealed
          where sealed.partition_id = event.partition_id and sealed.first_seq <= event.seq and sealed.count > 0
          order by sealed.first_seq desc limit 1) as packet
      join packet_states as became
        on became.partition_id = event.partition_id and became.packet_no = packet.packet_no
      where packet.end_seq > event.seq)`

/** Packets of a partition, from the last one on, in which the newest is looked for that has come so far. */
const PACKETS_LOOKED_MAX = 1_000

/**
 * What has only been received is not passed over one by one on the way to what has become something; null where that is
 * asked for too, and where none of the last packets is of these states.
 */
const newestInState = `(select max(recent.ingested_at) + interval '1 millisecond' from (
        select became.state, became.ingested_at from packet_states as became where became.partition_id = opened.id
          order by became.packet_no desc limit ${PACKETS_LOOKED_MAX}) as recent
      where recent.state = any ($15) and not 'received' = any ($15))`
