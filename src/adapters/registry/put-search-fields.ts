import type { StreamSearch } from '../../core/search/search-terms.ts'
import type { Queryable } from '../postgres/sql.ts'

/** What is projected from now on can be found by these, and by nothing that is not among them. */
export async function putSearchFields(
  db: Queryable,
  streamId: string,
  { fields = [], text }: StreamSearch = {},
  nowMs: number,
): Promise<void> {
  const wanted = [
    ...fields.map(path => ({ kind: 'value', path })),
    // All of a stream's texts are one field: a word is found wherever it stands.
    ...(text === undefined ? [] : [{ kind: 'words', path: JSON.stringify(text) }]),
  ]
  const values = [streamId, wanted.map(({ kind }) => kind), wanted.map(({ path }) => path)]
  await db.query({
    text: `delete from search_fields where stream_id = $1
      and (kind, path) not in (select kind, path from unnest($2::text[], $3::text[]) as wanted (kind, path))`,
    values,
  })
  await db.query({
    text: `insert into search_fields (stream_id, kind, path, since_ms)
      select $1, kind, path, $4 from unnest($2::text[], $3::text[]) as wanted (kind, path)
      on conflict (stream_id, kind, path) do nothing`,
    values: [...values, nowMs],
  })
}
