import { storedBounds } from '../../core/policy/stored-bounds.ts'
import type { Queryable } from '../postgres/sql.ts'
import { policyTexts } from '../registry/stream-rows.ts'

/** How much state each of these policies allows a partition. */
export type StateBounds = (
  db: Queryable,
  policyDigests: readonly string[],
) => Promise<ReadonlyMap<string, number>>

/** Beyond it all are read again: a policy never changes under its digest, and is read once for all its packets. */
const REMEMBERED_MAX = 10_000
/** Texts that are in memory at the same time: each may have a million characters. */
const READ_AT_ONCE = 32

export function openStateBounds(): StateBounds {
  const known = new Map<string, number>()
  return async (db, policyDigests) => {
    const asked = [...new Set(policyDigests)]
    const fresh = asked.filter(digest => !known.has(digest))
    if (known.size + fresh.length > REMEMBERED_MAX) known.clear()
    const unknown = known.size === 0 ? asked : fresh
    for (let at = 0; at < unknown.length; at += READ_AT_ONCE)
      for (const [digest, text] of await policyTexts(db, unknown.slice(at, at + READ_AT_ONCE)))
        known.set(digest, storedBounds(text).stateBytesMax)
    return known
  }
}
