import type { Queryable } from '../postgres/sql.ts'
import { readStoredBounds } from '../registry/read-stored-bounds.ts'

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
    const asked = [...new Set(policyDigests)]
    const isNew = (digest: string) => !known.has(digest)
    if (known.size + asked.filter(isNew).length > REMEMBERED_MAX) known.clear()
    for (const [digest, { stateBytesMax }] of await readStoredBounds(db, asked.filter(isNew)))
      known.set(digest, stateBytesMax)
    return known
  }
}
