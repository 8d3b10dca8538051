import type { Pool } from 'pg'
import type { Transaction } from '../../contract/transaction.ts'
import { bytea, hexOf, inTransaction, type Queryable } from '../postgres/sql.ts'
import { againstSpends, type Rules } from './accept.ts'
import { admit } from './admit.ts'
import { appendBlock, readTip, type Surroundings } from './append-block.ts'
import type { ChainChange } from './chain.ts'
import { beginWith } from './locks.ts'
import { BLOCK_TRANSACTIONS_MAX, pooledTxids } from './miner.ts'

export type ReorganiseOptions = {
  /** How many blocks leave the best chain; one more takes their place. */
  readonly depth: number
  /** Mined first. What spends the same coins is thrown out, with all that descends from it. */
  readonly replaceWith?: readonly Transaction[]
}

export type Reorganised =
  | (ChainChange & { readonly kind: 'reorganised'; readonly thrownOut: readonly string[] })
  | { readonly kind: 'refused'; readonly detail: string }

export const REORGANISE_DEPTH_MAX = 100

/** All in one database transaction: nobody ever sees a chain with less work than the one before. */
export function reorganise(
  pool: Pool,
  surroundings: Surroundings,
  rules: Rules,
  { depth, replaceWith = [] }: ReorganiseOptions,
): Promise<Reorganised> {
  return inTransaction(
    pool,
    async client => {
      const tip = await readTip(client)
      const deepest = Math.min(REORGANISE_DEPTH_MAX, tip?.height ?? 0)
      if (!(Number.isInteger(depth) && depth >= 1 && depth <= deepest))
        return refused(`a depth of ${depth} is not between 1 and ${deepest}; the first block always stays`)
      await dropBlocks(client, depth)
      const thrownOut: string[] = []
      for (const transaction of replaceWith) {
        const outcome = await replace(client, rules, transaction)
        if (typeof outcome === 'string') return refused(outcome)
        thrownOut.push(...outcome)
      }
      const change = await mineAgain(client, surroundings, depth + 1, replaceWith)
      return { kind: 'reorganised', ...change, thrownOut }
    },
    { begin: beginWith.arrivalsAndTip, keep: ({ kind }) => kind === 'reorganised' },
  )
}

/** They stay in their table, marked, so that what they once proved can still be explained. */
async function dropBlocks(client: Queryable, depth: number): Promise<void> {
  await client.query(
    `WITH dropped AS (
       UPDATE chain_blocks SET best = false
       WHERE best AND height > (SELECT max(height) FROM chain_blocks WHERE best) - $1
       RETURNING txids
     ), places AS (
       SELECT substring(txids FROM 32 * place + 1 FOR 32) AS txid, place = 0 AS is_coinbase
       FROM dropped, generate_series(0, octet_length(txids) / 32 - 1) AS place
     )
     UPDATE chain_transactions
     SET state = CASE WHEN is_coinbase THEN 'rejected' ELSE 'pooled' END, block_hash = NULL
     FROM places WHERE chain_transactions.txid = places.txid`,
    [depth],
  )
}

/** Whom the newcomer threw out, or why it cannot stand here. */
async function replace(
  client: Queryable,
  rules: Rules,
  transaction: Transaction,
): Promise<string[] | string> {
  const against = await againstSpends(client, rules, transaction)
  if (against?.kind === 'rejected') return against.detail
  const thrownOut = await throwOutRivals(client, transaction)
  const admission = await admit(client, transaction)
  if (admission.kind === 'orphan')
    return `${transaction.txid} spends what was thrown out, or never was; it cannot be mined`
  if (admission.kind === 'double-spend')
    return `${transaction.txid} spends a coin that ${admission.competing.join(', ')} spends in a block that stays; reorganise deeper`
  return thrownOut
}

/** Only pooled ones: what is in a block that stays, stays. */
async function throwOutRivals(client: Queryable, { txid, inputs }: Transaction): Promise<string[]> {
  const { rows } = await client.query<{ txid: Buffer }>(
    `WITH RECURSIVE doomed AS (
       SELECT spender FROM chain_spends
       JOIN unnest($2::bytea[], $3::int[]) AS coin (txid, vout) USING (txid, vout)
       JOIN chain_transactions rival ON rival.txid = spender AND rival.state = 'pooled'
       WHERE spender <> $1
       UNION
       SELECT child.spender FROM chain_spends child JOIN doomed ON child.txid = doomed.spender
     ), freed AS (
       DELETE FROM chain_spends WHERE spender IN (SELECT spender FROM doomed)
     ), refunded AS (
       UPDATE chain_faucet_coins SET spender = NULL WHERE spender IN (SELECT spender FROM doomed)
     )
     UPDATE chain_transactions SET state = 'rejected', rejected_for = $1
     WHERE txid IN (SELECT spender FROM doomed) RETURNING txid`,
    [bytea(txid), inputs.map(input => bytea(input.txid)), inputs.map(({ vout }) => vout)],
  )
  return rows.map(row => hexOf(row.txid))
}

/** Everything that waits, spread over the new blocks, the replacements first. */
async function mineAgain(
  client: Queryable,
  surroundings: Surroundings,
  blocks: number,
  replaceWith: readonly Transaction[],
): Promise<ChainChange> {
  const fork = await readTip(client)
  if (fork === undefined) throw new Error('the first block is gone, which no reorganisation takes away')
  const first = await withPooledAncestors(client, replaceWith)
  const chosen = new Set(first.map(hexOf))
  const pooled = await pooledTxids(client, blocks * BLOCK_TRANSACTIONS_MAX)
  let waiting = [...first, ...pooled.filter(txid => !chosen.has(hexOf(txid)))]
  let tip = fork
  for (let left = blocks; left > 0; left--) {
    const share = Math.ceil(waiting.length / left)
    const size = Math.min(BLOCK_TRANSACTIONS_MAX, left === blocks ? Math.max(share, first.length) : share)
    tip = await appendBlock(client, tip, waiting.slice(0, size), surroundings)
    waiting = waiting.slice(size)
  }
  return { forkHeight: fork.height, tip: { height: tip.height, hash: tip.hash } }
}

/** The replacements, in the order given, after what they spend and no block holds. */
async function withPooledAncestors(
  client: Queryable,
  replaceWith: readonly Transaction[],
): Promise<Uint8Array[]> {
  const { rows } = await client.query<{ txid: Buffer }>(
    `WITH RECURSIVE needed AS (
       SELECT txid FROM chain_transactions WHERE txid = ANY ($1::bytea[]) AND state = 'pooled'
       UNION
       SELECT parent.txid FROM needed
       JOIN chain_spends ON chain_spends.spender = needed.txid
       JOIN chain_transactions parent ON parent.txid = chain_spends.txid AND parent.state = 'pooled'
     )
     SELECT txid FROM needed JOIN chain_transactions USING (txid) ORDER BY arrival`,
    [replaceWith.map(({ txid }) => bytea(txid))],
  )
  return rows.map(({ txid }) => txid)
}

function refused(detail: string): Reorganised {
  return { kind: 'refused', detail }
}
