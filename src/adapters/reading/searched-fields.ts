import type { Reader } from '../../core/registry/may-read.ts'
import type { Criterion } from '../../serve/search-question.ts'
import { numbers, type Queryable } from '../postgres/sql.ts'
import { readableSql, readerValues } from './readable.ts'

/** The fields that criteria ask for, in streams that may be read. */
export type SearchedFields = {
  /** By stream: a field for each criterion, in their order. */
  readonly streams: readonly (readonly number[])[]
  /** Null where all of them were always searched; else payloads from before it are not. */
  readonly sinceMs: number | null
}

/** Streams that are searched at once. */
export const SEARCHED_STREAMS_MAX = 64

/** Undefined where no stream that may be read has all of them; too many to be looked at together, where more have. */
export async function findSearchedFields(
  db: Queryable,
  reader: Reader,
  criteria: readonly Criterion[],
  streamId: string | undefined,
): Promise<SearchedFields | 'too-many-streams' | undefined> {
  const { rows } = await db.query<{ fieldIds: number[]; sinceMs: number }>({
    name: 'searched-fields',
    text: `select array_agg(field.id order by wanted.nth) as "fieldIds", max(field.since_ms) as "sinceMs"
      from unnest($3::text[], $4::text[]) with ordinality as wanted (kind, path, nth)
      join search_fields as field on field.kind = wanted.kind and (wanted.path is null or field.path = wanted.path)
      join streams as stream on stream.stream_id = field.stream_id
      where ${readableSql('stream', 1)} and ($5::text is null or field.stream_id = $5)
      group by field.stream_id having count(*) = cardinality($3::text[])
      order by field.stream_id collate "C" limit ${SEARCHED_STREAMS_MAX + 1}`,
    values: [
      ...readerValues(reader),
      criteria.map(({ kind }) => kind),
      criteria.map(each => (each.kind === 'value' ? each.path : null)),
      streamId ?? null,
    ],
  })
  if (rows.length === 0) return undefined
  if (rows.length > SEARCHED_STREAMS_MAX) return 'too-many-streams'
  const sinceMs = Math.max(...rows.map(row => row.sinceMs))
  return { streams: rows.map(({ fieldIds }) => fieldIds), sinceMs: sinceMs === 0 ? null : sinceMs }
}

/** So many rows of each term are counted. */
const COUNTED_MAX = 2_000

/** The place of the criterion that fits the fewest events: it is looked for, and the others are asked of what is found. */
export async function rarestOf(
  db: Queryable,
  criteria: readonly Criterion[],
  { streams }: SearchedFields,
): Promise<number> {
  if (criteria.length < 2) return 0
  const { rows } = await db.query<{ nth: number }>({
    name: 'count-terms',
    text: `select wanted.nth - 1 as nth, (select count(*) from (
          select from unnest($3::integer[], $4::integer[]) as field (nth, id)
            join lateral (select from search_terms
              where field_id = field.id and term = wanted.term limit ${COUNTED_MAX}) as each on true
            where field.nth = wanted.nth limit ${COUNTED_MAX}) as counted) as events
      from unnest($1::text[], $2::integer[]) as wanted (term, nth) order by events, nth limit 1`,
    values: [
      criteria.map(({ term }) => term),
      numbers(criteria.map((_, i) => i + 1)),
      numbers(streams.flatMap(fieldIds => fieldIds.map((_, i) => i + 1))),
      numbers(streams.flat()),
    ],
  })
  return rows[0]?.nth ?? 0
}
