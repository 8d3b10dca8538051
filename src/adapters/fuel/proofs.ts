import { type Bump, trimBump, writeBump } from '../../contract/bump.ts'
import { readTransaction } from '../../contract/transaction.ts'
import { orThrow } from '../../core/fault.ts'
import type { Chain, ChainChange } from '../chain/chain.ts'
import { bytea, byteas, type Queryable } from '../postgres/sql.ts'

export type ProofDeps = {
  readonly db: Queryable
  readonly chain: Pick<Chain, 'rootAt' | 'statusOf'>
  now(): number
}

/** A proof that was checked just before a reorganisation may be written just after it: it is found so soon after. */
const RECHECKED_BLOCKS = 100

/**
 * Brings our transactions into step with the chain: what a reorganisation took out of its block is no longer mined,
 * and its coins wait again; what is in a block has its proof, and its coins pay; what the network has forgotten
 * or turned down since is sent again, and dies of what it says then. Resolves with how many lost their block.
 */
export async function catchUpWith({ forkHeight, tip }: ChainChange, deps: ProofDeps): Promise<number> {
  const dropped = await dropDeadProofs(Math.min(forkHeight, tip.height - RECHECKED_BLOCKS), deps)
  await askForUnproven(deps)
  return dropped
}

async function dropDeadProofs(aboveHeight: number, { db, chain }: ProofDeps): Promise<number> {
  const { rows } = await db.query<{ height: number; root: string }>({
    text: `select distinct proof_height as height, encode(proof_root, 'hex') as root from fuel_transactions
      where proof is not null and proof_height > $1`,
    values: [aboveHeight],
  })
  const dead: string[] = []
  for (const { height, root } of rows) if ((await chain.rootAt(height)) !== root) dead.push(root)
  if (dead.length === 0) return 0
  const dropped = await db.query<{ count: number }>({
    text: `with dropped as (
        update fuel_transactions set state = 'seen', proof = null, proof_height = null, proof_root = null
          where proof is not null and proof_height > $1 and proof_root = any ($2::bytea[]) returning txid
      ), waiting as (
        update fuel_coins set mined_height = null from dropped where fuel_coins.txid = dropped.txid
      )
      select count(*)::int as count from dropped`,
    values: [aboveHeight, byteas(dead)],
  })
  return dropped.rows[0]?.count ?? 0
}

/** How many transactions the network is asked about at once; where one answer fails, those of all of them are lost. */
const STATUS_BATCH = 100
/** So long the network may still mine what it refused, or what our overlay did. */
const DEAD_ASKED_MS = 24 * 60 * 60_000

/**
 * What is being sent is asked about as well: a block may hold it before its sender has said that the network has it,
 * and no other block may come for a long time.
 */
export async function askForUnproven({ db, chain, now }: ProofDeps): Promise<void> {
  let after = { writtenMs: -1, txid: '' }
  for (;;) {
    const { rows } = await db.query<{ txid: string; writtenMs: number; state: string }>({
      name: 'fuel-unproven',
      text: `select encode(txid, 'hex') as txid, written_ms as "writtenMs", state from fuel_transactions
        where proof is null and (written_ms, txid) > ($1, $2)
          and (state = 'seen' or (state = 'stored' and attempts > 0) or (state = 'dead' and written_ms > $3))
        order by fuel_transactions.written_ms, fuel_transactions.txid limit $4`,
      values: [after.writtenMs, bytea(after.txid), now() - DEAD_ASKED_MS, STATUS_BATCH],
    })
    const last = rows.at(-1)
    if (last === undefined) return
    after = last
    const statuses = await chain.statusOf(rows.map(({ txid }) => txid))
    const toldAgain: string[] = []
    for (const { txid, state } of rows) {
      const status = statuses.get(txid)
      if (status?.kind === 'mined') await takeMined(txid, state, status.proof, { db, chain })
      if ((status === undefined || status.kind === 'refused') && state === 'seen') toldAgain.push(txid)
    }
    if (toldAgain.length > 0)
      await db.query({
        text: `update fuel_transactions set state = 'stored', due_ms = $2 where txid = any ($1::bytea[]) and state = 'seen'`,
        values: [byteas(toldAgain), now()],
      })
  }
}

/** A block holds it, whatever was thought of it before. */
export async function takeMined(
  txid: string,
  state: string,
  proof: Bump,
  deps: Pick<ProofDeps, 'db'> & { readonly chain: Pick<Chain, 'rootAt'> },
): Promise<void> {
  if (state === 'dead') await takeBackCoins(txid, deps.db)
  await takeProof(txid, proof, deps)
}

/** It was taken for dead, and the network has mined it all the same: what it spends is spent. */
async function takeBackCoins(txid: string, db: Queryable): Promise<void> {
  const { rows } = await db.query<{ raw: Buffer }>({
    text: 'select raw from fuel_transactions where txid = $1',
    values: [bytea(txid)],
  })
  const inputs = rows.flatMap(({ raw }) => orThrow(readTransaction(raw)).inputs)
  await db.query({
    text: `update fuel_coins set spent_by = $1 from unnest($2::bytea[], $3::bigint[]) as coin (txid, vout)
      where fuel_coins.txid = coin.txid and fuel_coins.vout = coin.vout`,
    values: [bytea(txid), byteas(inputs.map(input => input.txid)), inputs.map(({ vout }) => vout)],
  })
}

/** Its coins pay from now on. */
async function takeProof(
  txid: string,
  proof: Bump,
  { db, chain }: Parameters<typeof takeMined>[3],
): Promise<void> {
  // A block that went again since the network spoke of it: the next change of the chain asks once more.
  if (!proof.leaves.has(txid) || (await chain.rootAt(proof.height)) !== proof.root) return
  await db.query({
    name: 'fuel-proven',
    text: `with proven as (
        update fuel_transactions set state = 'mined', proof = $2, proof_height = $3, proof_root = $4
          where txid = $1 and proof_root is distinct from $4 returning txid
      )
      update fuel_coins set mined_height = $3 from proven where fuel_coins.txid = proven.txid`,
    values: [
      bytea(txid),
      Buffer.from(writeBump(trimBump(proof, new Set([txid])))),
      proof.height,
      bytea(proof.root),
    ],
  })
}
