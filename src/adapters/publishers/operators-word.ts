import type { Limits } from '../../core/registry/limits.ts'
import type { Queryable } from '../postgres/sql.ts'

/** Publishers are recorded by their identity keys, and operators by how they came. */
const isPublisher = (column: string) => `${column} ~ '^0[23][0-9a-f]{64}$'`

type Subject = { readonly kind: 'source' | 'stream'; readonly subject: string }

/** The limits that an operator has given it last: its publisher goes below them, and not above. Undefined where none has. */
export async function limitsByOperator(
  db: Queryable,
  { kind, subject }: Subject,
): Promise<Limits | undefined> {
  const { rows } = await db.query<{ limits: Limits | null }>({
    name: 'limits-by-operator',
    text: `select became -> 'limits' as limits from registry_changes
      where kind = $1 and subject = $2 and not ${isPublisher('who')}
        and became -> 'limits' is distinct from was -> 'limits'
      order by id desc limit 1`,
    values: [kind, subject],
  })
  return rows[0] === undefined ? undefined : (rows[0].limits ?? {})
}
