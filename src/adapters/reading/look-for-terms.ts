import type { Looked, Position } from '../../serve/event-page.ts'
import type { EventQuestion } from '../../serve/event-question.ts'
import type { Criterion } from '../../serve/search-question.ts'
import { numbers, type Queryable } from '../postgres/sql.ts'
import { asLooked, type LookedRow, msTime, type ProjectedEvent, stateOf } from './look-for-events.ts'
import { rarestOf, type SearchedFields } from './searched-fields.ts'

/** Rows that are looked at for one page: each of them may ask for its event and for every other term. */
export const TERMS_LOOKED_MAX = 2_000

type Looking = {
  readonly question: EventQuestion & { readonly sourceIds?: readonly string[] }
  readonly criteria: readonly Criterion[]
  readonly below: Position | null
  readonly wanted: number
}

/** Looks for events that fit all criteria, in fields that the reader may search, from `below` on and not without a bound. */
export async function lookForTerms(
  db: Queryable,
  fields: SearchedFields,
  { question, criteria, below, wanted }: Looking,
  termsMax = TERMS_LOOKED_MAX,
): Promise<Looked<ProjectedEvent>[]> {
  const rarest = await rarestOf(db, criteria, fields)
  const inOrder = [rarest, ...criteria.keys()].filter((nth, i, all) => all.indexOf(nth) === i)
  const perPlace = Math.max(wanted, Math.floor(termsMax / fields.streams.length))
  const { level, sourceId, sourceIds, type, states, fromMs, untilMs } = question
  const { rows } = await db.query<LookedRow>({
    text: statement(inOrder.length),
    values: [
      below?.ingestMs ?? null,
      below?.partitionId ?? null,
      below?.seq ?? null,
      fromMs ?? null,
      untilMs ?? null,
      wanted,
      perPlace,
      level ?? null,
      sourceIds ?? (sourceId === undefined ? null : [sourceId]),
      type ?? null,
      states ?? null,
      ...inOrder.flatMap(nth => [
        criteria[nth]?.term ?? '',
        numbers(fields.streams.map(fieldIds => fieldIds[nth] ?? 0)),
      ]),
    ],
  })
  return rows.map(asLooked)
}

/**
 * The first term is read from its index in the order of time; its event, and the other terms, are looked up by place. No
 * join beside that: it might change the order, in which rows are numbered.
 */
function statement(terms: number): string {
  const others = Array.from({ length: terms - 1 }, (_, i) => i + 1)
  const term = (nth: number) => `$${12 + 2 * nth}`
  const ids = Array.from({ length: terms }, (_, nth) => `$${13 + 2 * nth}::integer[]`)
  const key = 'listed.field_id, listed.term, listed.ingested_at, listed.partition_id, listed.seq'
  const fits = [
    'event.event_id is not null',
    '($8::text is null or (select level from partitions where id = listed.partition_id) = $8)',
    '($9::text[] is null or event.source_id = any ($9))',
    '($10::text is null or event.event_type = $10)',
    `($11::text[] is null or coalesce(${stateOf}, 'received') = any ($11))`,
    ...others.map(
      nth => `exists (select from search_terms as other where other.field_id = place.id${nth}
            and other.term = ${term(nth)} and other.ingested_at = listed.ingested_at
            and other.partition_id = listed.partition_id and other.seq = listed.seq)`,
    ),
  ]
  return `
  with bounds as materialized (
    select least(${msTime('$1')}, ${msTime('$5')}, 'infinity'::timestamptz) as below_at,
      coalesce(${msTime('$4')}, '-infinity'::timestamptz) as from_at
  ), place_bounds as materialized (
    select bounds.*, case when below_at = ${msTime('$1')} then $2::integer else -1 end as below_partition,
        case when below_at = ${msTime('$1')} then $3::bigint else -1 end as below_seq from bounds
  )
  select case when found.fits then 'fits' else 'passed' end as kind, found.nth = $7 as "isLast",
      coalesce(found.event_id, '') as "eventId", found.partition_id as "partitionId", found.seq,
      round(extract(epoch from found.ingested_at) * 1000)::bigint as "ingestTimeMs",
      coalesce(found.event_ms, 0) as "eventTimeMs", coalesce(found.source_id, '') as "sourceId",
      coalesce(found.event_type, '') as type, found.native_id as "nativeId"
    from place_bounds
    cross join unnest(${ids.join(', ')}) as place (${['id', ...others.map(nth => `id${nth}`)].join(', ')})
    cross join lateral (
      select * from (
        select listed.nth, listed.ingested_at, listed.partition_id, listed.seq, event.event_id, event.event_ms,
            event.source_id, event.event_type, event.native_id, coalesce(${fits.join(' and ')}, false) as fits
          from (select ${key}, row_number() over () as nth from (
              select ${key} from search_terms as listed
                where (${key}) < (place.id, ${term(0)}::text collate "C", below_at, below_partition, below_seq)
                  and (${key}) >= (place.id, ${term(0)}::text collate "C", from_at, -1, -1)
                order by ${key.replaceAll(/(listed\.\w+)/g, '$1 desc')} limit $7::bigint) as listed) as listed
          left join lateral (
            select * from projected_events as event
              where event.partition_id = listed.partition_id and event.ingested_at = listed.ingested_at
                and event.seq = listed.seq limit 1) as event on true) as each
        where fits or nth = $7 limit $6::bigint) as found`
}
