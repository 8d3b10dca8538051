import type { Pool } from 'pg'
import type { BeefTransaction } from '../../contract/beef.ts'
import { type Bump, trimBump, writeBump } from '../../contract/bump.ts'
import { readSubmittedBeef } from '../../contract/submitted-beef.ts'
import type { Transaction } from '../../contract/transaction.ts'
import { sameBytes } from '../../core/bytes.ts'
import { accepted, type Outcome, refused } from '../../core/fault.ts'
import { VerifiedMemory } from '../bsv/verified-memory.ts'
import { verifyBeef } from '../bsv/verify-beef.ts'
import type { Chain } from '../chain/chain.ts'
import { bytea } from '../postgres/sql.ts'
import { takeMined } from './proofs.ts'

export type FundDeps = {
  readonly pool: Pool
  readonly chain: Pick<Chain, 'rootAt' | 'broadcast'>
  readonly owner: string
  /** Of the fuel key. */
  readonly lock: Uint8Array
  now(): number
}

export type Funded = {
  readonly txid: string
  readonly satoshis: number
  readonly coins: number
  /** Without a block it pays for nothing yet. */
  readonly mined: boolean
  /** False: it was here before, and counts once. */
  readonly isNew: boolean
}

/**
 * Takes in every output of the BEEF's subject that pays the fuel key. The BEEF is verified as any other is; what no
 * block holds is sent to the network first, which may lack it.
 */
export async function fundFromBeef(bytes: Uint8Array, deps: FundDeps): Promise<Outcome<Funded>> {
  const beef = readSubmittedBeef(bytes)
  if (!beef.ok) return beef
  const { subject, transactions } = beef.value
  const satoshis = ours(subject, deps.lock).reduce((sum, each) => sum + each.satoshis, 0)
  if (satoshis === 0)
    return refused(
      'transaction-invalid',
      `no output of ${subject.txid} pays the fuel key of this node; \`assay wallet show\` has its address`,
    )
  const verdict = await verifyBeef(beef.value, {
    rootAt: height => deps.chain.rootAt(height),
    verified: new VerifiedMemory(),
  })
  if (!verdict.ok) return verdict
  const unproven = transactions.filter(({ proof }) => proof === undefined)
  if (unproven.length > 0) {
    const answer = await deps.chain.broadcast(unproven)
    if (answer.kind === 'rejected')
      return refused('transaction-invalid', `the network refused ${subject.txid}: ${answer.detail}`)
  }
  const funded = await takeIn(subject, deps)
  if (!funded.isNew && subject.proof !== undefined) await proveKnown(subject.txid, subject.proof, deps)
  return accepted(funded)
}

/** Also where it was taken for dead, or the network that we ask has never heard of it. */
async function proveKnown(txid: string, proof: Bump, { pool, chain }: FundDeps): Promise<void> {
  const { rows } = await pool.query<{ state: string }>({
    text: 'select state from fuel_transactions where txid = $1',
    values: [bytea(txid)],
  })
  const state = rows[0]?.state
  if (state !== undefined && state !== 'mined') await takeMined(txid, state, proof, { db: pool, chain })
}

/** Takes in what the network has: each output of it that pays the fuel key becomes treasury. */
export async function takeIn(
  transaction: BeefTransaction,
  { pool, owner, lock, now }: Pick<FundDeps, 'pool' | 'owner' | 'lock' | 'now'>,
): Promise<Funded> {
  const { txid, raw, proof } = transaction
  const coins = ours(transaction, lock)
  const { rows } = await pool.query<{ isNew: boolean }>({
    text: `with taken as (
        insert into fuel_transactions (txid, raw, state, topics, cost, written_ms, due_ms, proof, proof_height, proof_root)
          values ($1, $2, $3, '{}', 0, $4, $4, $5, $6, $7) on conflict (txid) do nothing returning 1
      ), coins as (
        insert into fuel_coins (txid, vout, owner, satoshis, kind, mined_height)
          select $1, coin.vout, $8, coin.satoshis, 'treasury', $6
            from unnest($9::bigint[], $10::bigint[]) as coin (vout, satoshis) where exists (select from taken)
      )
      select exists (select from taken) as "isNew"`,
    values: [
      bytea(txid),
      raw,
      proof === undefined ? 'seen' : 'mined',
      now(),
      proof && Buffer.from(pathOf(txid, proof)),
      proof?.height,
      proof && bytea(proof.root),
      bytea(owner),
      coins.map(({ vout }) => vout),
      coins.map(({ satoshis }) => satoshis),
    ],
  })
  return {
    txid,
    satoshis: coins.reduce((sum, { satoshis }) => sum + satoshis, 0),
    coins: coins.length,
    mined: proof !== undefined,
    isNew: rows[0]?.isNew === true,
  }
}

function pathOf(txid: string, proof: Bump): Uint8Array {
  return writeBump(trimBump(proof, new Set([txid])))
}

function ours({ outputs }: Transaction, lock: Uint8Array): { vout: number; satoshis: number }[] {
  return outputs.flatMap(({ satoshis, script }, vout) =>
    satoshis > 0 && sameBytes(script, lock) ? [{ vout, satoshis }] : [],
  )
}
