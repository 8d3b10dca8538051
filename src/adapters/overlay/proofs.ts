import { type Bump, computeRoot, trimBump, writeBump } from '../../contract/bump.ts'
import { accepted, type Outcome, refused } from '../../core/fault.ts'
import type { Chain } from '../chain/chain.ts'
import { bytea, byteas, type Queryable } from '../postgres/sql.ts'
import { tellNetwork } from './tell-again.ts'

/** A proof for a stored transaction, checked against the headers. Resolves with whether it was news. */
export async function takeProof(
  txid: string,
  proof: Bump,
  { db, chain }: { db: Queryable; chain: Pick<Chain, 'rootAt'> },
): Promise<Outcome<'new' | 'known' | 'unknown-transaction'>> {
  const root = computeRoot(proof, txid)
  if (!root.ok) return root
  const expected = await chain.rootAt(proof.height)
  if (expected === undefined)
    return refused(
      'proof-invalid',
      `no block at height ${proof.height} is known here yet; send the proof again later`,
    )
  if (expected !== root.value)
    return refused(
      'proof-invalid',
      `the path leads to another root than the block at height ${proof.height} has`,
    )
  const { rows } = await db.query<{ known: boolean; updated: boolean }>({
    name: 'take-proof',
    text: `with updated as (
        update transactions set proof = $2, proof_height = $3, proof_root = $4
        where txid = $1 and proof_root is distinct from $4 returning 1)
      select exists (select from transactions where txid = $1) as known, exists (select from updated) as updated`,
    values: [
      bytea(txid),
      Buffer.from(writeBump(trimBump(proof, new Set([txid])))),
      proof.height,
      bytea(root.value),
    ],
  })
  const [{ known, updated } = { known: false, updated: false }] = rows
  return accepted(updated ? 'new' : known ? 'known' : 'unknown-transaction')
}

/** Takes back every proof above this height whose block is no longer on the best chain. Resolves with how many. */
export async function dropDeadProofs(
  aboveHeight: number,
  { db, chain }: { db: Queryable; chain: Pick<Chain, 'rootAt'> },
): Promise<number> {
  const { rows } = await db.query<{ height: number; root: string }>({
    text: `select distinct proof_height as height, encode(proof_root, 'hex') as root from transactions
      where proof_height > $1`,
    values: [aboveHeight],
  })
  const dead: string[] = []
  for (const { height, root } of rows) if ((await chain.rootAt(height)) !== root) dead.push(root)
  const dropped = await db.query({
    text: `update transactions set proof = null, proof_height = null, proof_root = null
      where proof_height > $1 and proof_root = any ($2)`,
    values: [aboveHeight, byteas(dead)],
  })
  return dropped.rowCount ?? 0
}

/** How many transactions the network is asked about at once. */
const STATUS_BATCH = 1000

/**
 * Asks the network about every transaction without a proof, oldest first. Resolves with how many it has proven. What
 * it has turned down meanwhile is told to it once more, and goes for the reason that it gives then.
 */
export async function findProofs(deps: {
  db: Queryable
  chain: Pick<Chain, 'rootAt' | 'statusOf'>
  now(): number
}): Promise<number> {
  let found = 0
  let after = { storedMs: -1, txid: '' }
  for (;;) {
    const { rows } = await deps.db.query<{ txid: string; storedMs: number }>({
      name: 'unproven',
      text: `select encode(txid, 'hex') as txid, stored_ms as "storedMs" from transactions
        where proof is null and (stored_ms, txid) > ($1, $2) order by transactions.stored_ms, transactions.txid limit $3`,
      values: [after.storedMs, bytea(after.txid), STATUS_BATCH],
    })
    const last = rows.at(-1)
    if (last === undefined) return found
    after = last
    const statuses = await deps.chain.statusOf(rows.map(({ txid }) => txid))
    const refused = [...statuses].flatMap(([txid, { kind }]) => (kind === 'refused' ? [txid] : []))
    if (refused.length > 0) await tellNetwork(refused, deps)
    for (const [txid, status] of statuses) {
      if (status.kind !== 'mined') continue
      const taken = await takeProof(txid, status.proof, deps)
      // A block that went again since the network spoke of it: the next change of the chain asks once more.
      if (taken.ok && taken.value === 'new') found += 1
    }
  }
}
