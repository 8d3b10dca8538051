import { type StoredBounds, storedBounds } from '../../core/policy/stored-bounds.ts'
import type { Queryable } from '../postgres/sql.ts'
import { policyTexts } from './stream-rows.ts'

/** Texts that are in memory at the same time: each may have a million characters. */
const READ_AT_ONCE = 32

/** By digest, of the policy sets that there are. */
export async function readStoredBounds(
  db: Queryable,
  digests: readonly string[],
): Promise<Map<string, StoredBounds>> {
  const read = new Map<string, StoredBounds>()
  for (let at = 0; at < digests.length; at += READ_AT_ONCE)
    for (const [digest, text] of await policyTexts(db, digests.slice(at, at + READ_AT_ONCE)))
      read.set(digest, storedBounds(text))
  return read
}
