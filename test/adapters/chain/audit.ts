import type { Pool } from 'pg'
import { storedTransaction } from '../../../src/adapters/chain/accept.ts'
import { headerChain } from '../../../src/contract/headers.ts'
import { outpointText } from '../../../src/contract/transaction.ts'
import { concatAll, toHex } from '../../../src/core/bytes.ts'
import { orThrow } from '../../../src/core/fault.ts'

/**
 * Reads the whole chain out of its tables and says everything that is wrong with it: headers that do not link,
 * transactions in no block or in two, children before parents, coins spent twice or recorded otherwise.
 */
export async function auditChain(
  pool: Pool,
): Promise<{ faults: string[]; mined: Set<string>; pooled: Set<string> }> {
  const { blocks, transactions, spends } = await readAll(pool)
  const faults: string[] = []
  orThrow(headerChain(concatAll(blocks.rows.map(({ header }) => header)), 0, 'local'))
  for (const [place, { height }] of blocks.rows.entries())
    if (height !== place) faults.push(`the block at place ${place} says height ${height}`)

  const rows = new Map(transactions.rows.map(row => [toHex(row.txid), row]))
  const spenders = new Map<string, string>()
  const spendAll = (txid: string, raw: Buffer) => {
    for (const input of storedTransaction(raw).inputs) {
      const coin = outpointText(input)
      const other = spenders.get(coin)
      if (other !== undefined) faults.push(`${coin} is spent by ${other} and ${txid}`)
      spenders.set(coin, txid)
    }
  }
  const mined = new Set<string>()
  for (const { height, hash, txids } of blocks.rows)
    for (let at = 0; at < txids.length; at += 32) {
      const txid = toHex(txids.subarray(at, at + 32))
      const row = rows.get(txid)
      if (mined.has(txid)) faults.push(`${txid} is mined twice`)
      if (row?.state !== 'mined' || row.block_hash?.equals(hash) !== true)
        faults.push(`${txid} is in block ${height}, but its row says ${row?.state}`)
      if (row !== undefined && at > 0) {
        for (const input of storedTransaction(row.raw).inputs)
          if (!mined.has(input.txid)) faults.push(`${txid} comes before its parent ${input.txid}`)
        spendAll(txid, row.raw)
      }
      mined.add(txid)
    }
  const pooled = new Set<string>()
  for (const [txid, { state, raw }] of rows) {
    if (state === 'mined' && !mined.has(txid)) faults.push(`${txid} is called mined, but no block holds it`)
    if (state !== 'pooled') continue
    for (const input of storedTransaction(raw).inputs)
      if (!mined.has(input.txid) && !pooled.has(input.txid))
        faults.push(`${txid} waits before its parent ${input.txid}`)
    spendAll(txid, raw)
    pooled.add(txid)
  }
  const recorded = spends.rows.map(({ txid, vout, spender }) => `${toHex(txid)}.${vout} ${toHex(spender)}`)
  const actual = [...spenders].map(([coin, spender]) => `${coin} ${spender}`)
  if (recorded.sort().join('\n') !== actual.sort().join('\n'))
    faults.push('the recorded spends are not those of the transactions')
  return { faults, mined, pooled }
}

/** As of one moment: a process that was killed may have a statement under way still. */
async function readAll(pool: Pool) {
  const client = await pool.connect()
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  const blocks = await client.query<{ height: number; hash: Buffer; header: Buffer; txids: Buffer }>(
    'SELECT height, hash, header, txids FROM chain_blocks WHERE best ORDER BY height',
  )
  const transactions = await client.query<{
    txid: Buffer
    raw: Buffer
    state: string
    block_hash: Buffer | null
  }>('SELECT txid, raw, state, block_hash FROM chain_transactions ORDER BY arrival')
  const spends = await client.query<{ txid: Buffer; vout: number; spender: Buffer }>(
    'SELECT * FROM chain_spends',
  )
  await client.query('COMMIT')
  client.release()
  return { blocks, transactions, spends }
}
