import type { Queryable } from '../postgres/sql.ts'

/** The number of the last change of each: whoever changes it says which one was the last that they have seen. */
export async function versionsOf(
  db: Queryable,
  kind: 'source' | 'stream',
  subjects: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const { rows } = await db.query<{ subject: string; version: string }>({
    name: 'publisher-versions',
    text: `select asked.subject, coalesce((select id from registry_changes as last
          where last.kind = $1 and last.subject = asked.subject order by id desc limit 1), 0)::text as version
        from unnest($2::text[]) as asked (subject)`,
    values: [kind, [...subjects]],
  })
  return new Map(rows.map(({ subject, version }) => [subject, version]))
}
