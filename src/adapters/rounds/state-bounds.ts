import { STATE_BYTES_DEFAULT } from '../../core/rules/carried-state.ts'
import { byteas, type Queryable } from '../postgres/sql.ts'

/** How much state each of these policies allows a partition. */
export type StateBounds = (
  db: Queryable,
  policyDigests: readonly string[],
) => Promise<ReadonlyMap<string, number>>

/** Beyond it all are read again: a policy never changes under its digest, and is read once for all its packets. */
const REMEMBERED_MAX = 10_000

export function openStateBounds(): StateBounds {
  const known = new Map<string, number>()
  return async (db, policyDigests) => {
    const unknown = [...new Set(policyDigests)].filter(digest => !known.has(digest))
    if (unknown.length > 0) {
      const { rows } = await db.query<{ digest: string; bytes: number | null }>({
        name: 'rounds-state-bounds',
        text: `select encode(digest, 'hex') as digest, (policy::jsonb ->> 'stateBytesMax')::integer as bytes
          from policy_sets where digest = any ($1)`,
        values: [byteas(unknown)],
      })
      if (known.size + rows.length > REMEMBERED_MAX) known.clear()
      for (const { digest, bytes } of rows) known.set(digest, bytes ?? STATE_BYTES_DEFAULT)
    }
    return known
  }
}
