import type { Pool } from 'pg'
import { readBump } from '../../../src/contract/bump.ts'
import { outpointText, readTransaction, type Transaction } from '../../../src/contract/transaction.ts'
import { orThrow } from '../../../src/core/fault.ts'

/**
 * Reads all that fuel has stored, and the private chain in the same database, and says everything that is wrong: a
 * coin spent twice or not at all, satoshis that are nowhere, a purpose with two transactions, bytes that nobody
 * stored.
 */
export async function auditFuel(pool: Pool): Promise<string[]> {
  const client = await pool.connect()
  try {
    await client.query('begin isolation level repeatable read read only')
    const transactions = await client.query<TransactionRow>(
      `select encode(txid, 'hex') as txid, raw, state, encode(subject, 'hex') as subject, stage, rebuild, cost, proof from fuel_transactions`,
    )
    const coins = await client.query<CoinRow>(
      `select encode(txid, 'hex') as txid, vout, satoshis, mined_height as height, encode(spent_by, 'hex') as "spentBy" from fuel_coins`,
    )
    const chain = await client.query<{ txid: string; raw: Buffer }>(
      `select encode(txid, 'hex') as txid, raw from chain_transactions where state <> 'rejected'`,
    )
    await client.query('commit')
    return faultsIn(transactions.rows, coins.rows, chain.rows)
  } finally {
    client.release()
  }
}

type TransactionRow = {
  txid: string
  raw: Buffer
  state: string
  subject: string | null
  stage: string | null
  rebuild: number | null
  cost: number
  proof: Buffer | null
}
type CoinRow = { txid: string; vout: number; satoshis: number; height: number | null; spentBy: string | null }

function faultsIn(
  rows: readonly TransactionRow[],
  coins: readonly CoinRow[],
  chain: readonly { txid: string; raw: Buffer }[],
): string[] {
  const faults: string[] = []
  const read = new Map(rows.map(row => [row.txid, orThrow(readTransaction(row.raw))]))
  const byTxid = new Map(rows.map(row => [row.txid, row]))
  const coinAt = new Map(coins.map(coin => [outpointText(coin), coin]))
  const coinsOf = new Map<string, CoinRow[]>()
  for (const coin of coins) coinsOf.set(coin.txid, [...(coinsOf.get(coin.txid) ?? []), coin])
  const isLive = (txid: string) => byTxid.get(txid)?.state !== 'dead'

  const spenders = new Map<string, string>()
  const purposes = new Map<string, string>()
  let entered = 0
  let costs = 0
  for (const row of rows) {
    const transaction = read.get(row.txid)
    if (transaction?.txid !== row.txid) faults.push(`${row.txid} is stored with the bytes of another one`)
    if (row.proof !== null && !orThrow(readBump(row.proof)).leaves.has(row.txid))
      faults.push(`${row.txid} has a proof that is not its own`)
    const mine = coinsOf.get(row.txid) ?? []
    for (const { vout, satoshis, height } of mine) {
      if (transaction?.outputs[vout]?.satoshis !== satoshis)
        faults.push(`${row.txid}.${vout} is a coin of other satoshis than its output`)
      if ((height !== null) !== (row.state === 'mined'))
        faults.push(`${row.txid}.${vout} is at height ${height}, and its transaction is ${row.state}`)
    }
    if (!isLive(row.txid) || transaction === undefined) continue
    if (row.subject === null) {
      entered += mine.reduce((sum, { satoshis }) => sum + satoshis, 0)
      continue
    }
    const purpose = `${row.subject} ${row.stage} ${row.rebuild}`
    const other = purposes.get(purpose)
    if (other !== undefined) faults.push(`${other} and ${row.txid} are for the same purpose`)
    purposes.set(purpose, row.txid)
    const taken = transaction.inputs.flatMap(input => coinAt.get(outpointText(input)) ?? [])
    for (const coin of taken) {
      const twice = spenders.get(outpointText(coin))
      if (twice !== undefined) faults.push(`${outpointText(coin)} is spent by ${twice} and ${row.txid}`)
      spenders.set(outpointText(coin), row.txid)
    }
    const cost = sum(taken) - sum(mine)
    if (cost !== row.cost) faults.push(`${row.txid} costs ${cost}, and says ${row.cost}`)
    costs += cost
  }
  let free = 0
  for (const coin of coins) {
    if (!isLive(coin.txid)) continue
    const text = outpointText(coin)
    const spender = spenders.get(text)
    if (coin.spentBy === null || !isLive(coin.spentBy)) free += coin.satoshis
    if (spender !== undefined && coin.spentBy !== spender)
      faults.push(`${text} is spent by ${spender}, and its row says ${coin.spentBy}`)
    if (spender === undefined && coin.spentBy !== null && isLive(coin.spentBy))
      faults.push(`${text} says that ${coin.spentBy} spends it, which does not`)
  }
  if (entered !== free + costs)
    faults.push(`${entered} satoshis came in; ${free} are free and ${costs} are spent`)
  for (const { txid, raw } of chain)
    faults.push(...strangers(txid, orThrow(readTransaction(raw)), coinAt, read))
  return faults
}

/** What the chain has that spends one of our coins, and that was never stored. */
function strangers(
  txid: string,
  { inputs }: Transaction,
  coinAt: ReadonlyMap<string, unknown>,
  read: ReadonlyMap<string, unknown>,
): string[] {
  return read.has(txid) || !inputs.some(input => coinAt.has(outpointText(input)))
    ? []
    : [`${txid} is on the chain and spends our coins, and was never stored`]
}

function sum(coins: readonly { readonly satoshis: number }[]): number {
  return coins.reduce((total, { satoshis }) => total + satoshis, 0)
}
