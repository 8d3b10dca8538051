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
  const root = await rootOf(txid, proof, chain)
  if (!root.ok) return root
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

/** The root of the block that it names, and that is on the best chain. */
async function rootOf(txid: string, proof: Bump, chain: Pick<Chain, 'rootAt'>): Promise<Outcome<string>> {
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
  return root
}

/** Of transactions that are stored without one. Resolves with how many it was news for. */
async function takeProofs(
  proofs: readonly (readonly [txid: string, proof: Bump])[],
  { db, chain }: { db: Queryable; chain: Pick<Chain, 'rootAt'> },
): Promise<number> {
  const good: { readonly txid: string; readonly proof: Bump; readonly root: string }[] = []
  for (const [txid, proof] of proofs) {
    const root = await rootOf(txid, proof, chain)
    // A block that went again since the network spoke of it: the next change of the chain asks once more.
    if (root.ok) good.push({ txid, proof, root: root.value })
  }
  if (good.length === 0) return 0
  const { rowCount } = await db.query({
    name: 'take-proofs',
    text: `update transactions set proof = given.proof, proof_height = given.height, proof_root = given.root
      from unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bytea[]) as given (txid, proof, height, root)
      where transactions.txid = given.txid and transactions.proof_root is distinct from given.root`,
    values: [
      byteas(good.map(({ txid }) => txid)),
      good.map(({ txid, proof }) => Buffer.from(writeBump(trimBump(proof, new Set([txid]))))),
      good.map(({ proof }) => proof.height),
      byteas(good.map(({ root }) => root)),
    ],
  })
  return rowCount ?? 0
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
    const mined = [...statuses].flatMap(([txid, status]) =>
      status.kind === 'mined' ? [[txid, status.proof] as const] : [],
    )
    found += await takeProofs(mined, deps)
  }
}
