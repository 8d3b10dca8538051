import type { Pool } from 'pg'
import { publicKeyOf } from '#curve'
import { p2pkhLock } from '../../contract/script.ts'
import { signTransaction } from '../../contract/spend.ts'
import type { Output, Transaction } from '../../contract/transaction.ts'
import { knownHex } from '../../core/bytes.ts'
import { bytea, inTransaction, type Queryable } from '../postgres/sql.ts'
import { appendBlock, beforeGenesis, readTip, SALT_BYTES, type Surroundings } from './append-block.ts'
import { coinbase } from './block.ts'
import { beginWith } from './locks.ts'

/** All the money that this chain will ever have, split so that a thousand faucet calls need not wait for a block. */
const SUPPLY_SATOSHIS = 21_000_000 * 100_000_000
const PURSES = 16
const COINS_PER_PURSE = 64

/**
 * Makes the first block where there is none. Of several processes that start at once, one makes it.
 *
 * Faucet money is never spent from offset 0: the stock SDK refuses that once the block is 100 deep. So the
 * coinbase is spent within the block, in two steps: a single transaction of a thousand outputs would be dragged
 * along in every BEEF that spends one of them.
 */
export async function ensureGenesis(pool: Pool, surroundings: Surroundings): Promise<void> {
  await inTransaction(
    pool,
    async client => {
      if ((await readTip(client)) === undefined) await makeGenesis(client, surroundings)
    },
    { begin: beginWith.tip },
  )
}

async function makeGenesis(client: Queryable, surroundings: Surroundings): Promise<void> {
  // Kept in the open, because it is play money: whoever can read this table can ask the faucet as well.
  const privateKey = surroundings.randomBytes(32)
  const script = p2pkhLock(publicKeyOf(privateKey))
  const split = (from: Transaction, vout: number, parts: number) => {
    const spent = from.outputs[vout] ?? noOutput()
    const outputs = equalParts(spent, parts, script)
    return signTransaction([{ txid: from.txid, vout, spent, privateKey }], outputs)
  }
  const first = coinbase(0, surroundings.randomBytes(SALT_BYTES), { satoshis: SUPPLY_SATOSHIS, script })
  const halfway = split(first, 0, PURSES)
  const purses = halfway.outputs.map((_, vout) => split(halfway, vout, COINS_PER_PURSE))

  const spending = [halfway, ...purses]
  for (const transaction of spending) await putInMempool(client, transaction)
  const txids = spending.map(({ txid }) => knownHex(txid))
  await appendBlock(client, beforeGenesis, txids, surroundings, first)
  for (const transaction of spending) await recordSpends(client, transaction)
  await client.query('INSERT INTO chain_faucet_key (private_key) VALUES ($1)', [privateKey])
  for (const purse of purses) await addFaucetCoins(client, purse, purse.outputs.keys(), 0)
}

/** These outputs pay the faucet; `depth` is explained at the table. */
export async function addFaucetCoins(
  client: Queryable,
  { txid, outputs }: Transaction,
  vouts: Iterable<number>,
  depth: number,
): Promise<void> {
  const coins = [...vouts]
  await client.query(
    `INSERT INTO chain_faucet_coins (txid, vout, satoshis, depth)
     SELECT $1, coin.vout, coin.satoshis, $4 FROM unnest($2::int[], $3::bigint[]) AS coin (vout, satoshis)
     -- The same coin to the same payee is the same transaction: one that was thrown out may be made again.
     ON CONFLICT (txid, vout) DO UPDATE SET depth = EXCLUDED.depth`,
    [bytea(txid), coins, coins.map(vout => outputs[vout]?.satoshis ?? 0), depth],
  )
}

/** Without the checks of a newcomer: its parents are in the block that is being made. */
async function putInMempool(client: Queryable, { txid, raw }: Transaction): Promise<void> {
  await client.query(`INSERT INTO chain_transactions (txid, raw, state) VALUES ($1, $2, 'pooled')`, [
    bytea(txid),
    raw,
  ])
}

async function recordSpends(client: Queryable, { txid, inputs }: Transaction): Promise<void> {
  for (const input of inputs)
    await client.query('INSERT INTO chain_spends (txid, vout, spender) VALUES ($1, $2, $3)', [
      bytea(input.txid),
      input.vout,
      bytea(txid),
    ])
}

function equalParts({ satoshis }: Output, parts: number, script: Uint8Array): Output[] {
  const each = Math.floor(satoshis / parts)
  return Array.from({ length: parts }, (_, part) => ({
    satoshis: part === 0 ? satoshis - each * (parts - 1) : each,
    script,
  }))
}

function noOutput(): never {
  throw new Error('the transaction to split has no such output')
}
