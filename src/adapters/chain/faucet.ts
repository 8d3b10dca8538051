import type { Pool } from 'pg'
import { publicKeyOf } from '#curve'
import { p2pkhLock } from '../../contract/script.ts'
import { signTransaction } from '../../contract/spend.ts'
import type { Output, Transaction } from '../../contract/transaction.ts'
import { hexOf, inTransaction, type Queryable } from '../postgres/sql.ts'
import { storedTransaction } from './accept.ts'
import { admit } from './admit.ts'
import { addFaucetCoins } from './genesis.ts'
import { beginWith } from './locks.ts'

export type FaucetRequest = {
  readonly lockingScript: Uint8Array
  /** In each output. */
  readonly satoshis: number
  readonly outputs: number
}

export type FaucetAnswer =
  | { readonly kind: 'funded'; readonly transaction: Transaction }
  | { readonly kind: 'refused'; readonly detail: string }
  /** Every coin is in use, or waits for a block. */
  | { readonly kind: 'exhausted'; readonly detail: string }

/** 100 coins of the public chain: enough for any test, and two hundred thousand calls. */
export const FAUCET_SATOSHIS_MAX = 100 * 100_000_000
export const FAUCET_OUTPUTS_MAX = 1_000
export const FAUCET_SCRIPT_BYTES_MAX = 10_000
/** In all outputs of one call. */
export const FAUCET_ANSWER_BYTES_MAX = 256 * 1024
/** Change that no block holds yet is used again this often in a row, and then waits for a block. */
export const FAUCET_UNMINED_MAX = 10

/** Pays into the mempool. Each call uses a coin of its own, so that calls do not wait for one another. */
export async function payFromFaucet(pool: Pool, request: FaucetRequest): Promise<FaucetAnswer> {
  const against = againstRequest(request)
  if (against !== undefined) return { kind: 'refused', detail: against }
  return inTransaction(pool, client => pay(client, request), {
    begin: beginWith.arrivalsShared,
    keep: ({ kind }) => kind === 'funded',
  })
}

function againstRequest({ lockingScript, satoshis, outputs }: FaucetRequest): string | undefined {
  if (!Number.isSafeInteger(satoshis) || satoshis < 1) return `satoshis: ${satoshis}, wanted 1 or more`
  if (!Number.isSafeInteger(outputs) || outputs < 1 || outputs > FAUCET_OUTPUTS_MAX)
    return `outputs: ${outputs}, wanted 1 to ${FAUCET_OUTPUTS_MAX}`
  if (satoshis * outputs > FAUCET_SATOSHIS_MAX)
    return `${satoshis} satoshis in ${outputs} outputs are more than ${FAUCET_SATOSHIS_MAX} in one call; ask in several`
  if (lockingScript.length === 0 || lockingScript.length > FAUCET_SCRIPT_BYTES_MAX)
    return `a locking script of ${lockingScript.length} bytes, wanted 1 to ${FAUCET_SCRIPT_BYTES_MAX}`
  if (lockingScript.length * outputs > FAUCET_ANSWER_BYTES_MAX)
    return `${outputs} outputs of ${lockingScript.length} bytes are more than ${FAUCET_ANSWER_BYTES_MAX} bytes; ask for fewer`
  return undefined
}

async function pay(client: Queryable, request: FaucetRequest): Promise<FaucetAnswer> {
  const { lockingScript, satoshis, outputs } = request
  const total = satoshis * outputs
  const coin = (await takeCoin(client, minedCoin, total)) ?? (await takeCoin(client, unminedCoin, total))
  if (coin === undefined)
    return { kind: 'exhausted', detail: 'the faucet has no free coin; ask again after the next block' }

  const privateKey = await readKey(client)
  const paid = Array.from({ length: outputs }, () => ({ satoshis, script: lockingScript }))
  const change = { satoshis: coin.spent.satoshis - total, script: p2pkhLock(publicKeyOf(privateKey)) }
  const transaction = signTransaction(
    [{ txid: coin.txid, vout: coin.vout, spent: coin.spent, privateKey }],
    change.satoshis > 0 ? [...paid, change] : paid,
  )
  const { kind } = await admit(client, transaction)
  if (kind !== 'pooled') throw new Error(`the faucet's own ${transaction.txid} was not taken: ${kind}`)
  if (change.satoshis > 0) await addFaucetCoins(client, transaction, [outputs], coin.unmined + 1)
  return { kind: 'funded', transaction }
}

type Coin = {
  readonly txid: string
  readonly vout: number
  readonly spent: Output
  /** Transactions in a row, up to this coin, that no block holds. */
  readonly unmined: number
}

const minedCoin = `
  SELECT c.txid, c.vout, 0 AS unmined, t.raw FROM chain_faucet_coins c
  JOIN chain_transactions t ON t.txid = c.txid AND t.state = 'mined'
  WHERE c.spender IS NULL AND c.satoshis >= $1 AND $2::int > 0
  LIMIT 1 FOR UPDATE OF c SKIP LOCKED`

const unminedCoin = `
  SELECT c.txid, c.vout, c.depth AS unmined, t.raw FROM chain_faucet_coins c
  JOIN chain_transactions t ON t.txid = c.txid AND t.state = 'pooled'
  WHERE c.spender IS NULL AND c.satoshis >= $1 AND c.depth < $2
  ORDER BY c.depth LIMIT 1 FOR UPDATE OF c SKIP LOCKED`

async function takeCoin(client: Queryable, statement: string, satoshis: number): Promise<Coin | undefined> {
  const { rows } = await client.query<{ txid: Buffer; vout: number; unmined: number; raw: Buffer }>(
    statement,
    [satoshis, FAUCET_UNMINED_MAX],
  )
  const [row] = rows
  if (row === undefined) return undefined
  const { vout, unmined } = row
  const spent = storedTransaction(row.raw).outputs[vout]
  if (spent === undefined) throw new Error(`the faucet's coin ${hexOf(row.txid)}.${vout} does not exist`)
  return { txid: hexOf(row.txid), vout, spent, unmined }
}

async function readKey(client: Queryable): Promise<Uint8Array> {
  const { rows } = await client.query<{ private_key: Buffer }>('SELECT private_key FROM chain_faucet_key')
  const [row] = rows
  if (row === undefined) throw new Error('the faucet has no key, though the chain has a first block')
  return Uint8Array.from(row.private_key)
}
