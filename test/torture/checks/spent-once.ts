import type { Pool } from 'pg'
import { outpointText, readTransaction, type Transaction } from '../../../src/contract/transaction.ts'
import { orThrow } from '../../../src/core/fault.ts'

/** Everything that the chain has, or waits to have. */
export async function readTransactions(pool: Pool): Promise<Transaction[]> {
  const { rows } = await pool.query<{ raw: Buffer }>(
    `select raw from chain_transactions where state <> 'rejected'`,
  )
  return rows.map(({ raw }) => orThrow(readTransaction(new Uint8Array(raw))))
}

/** No double spend: each coin on the chain is spent once at most. */
export function spentTwice(transactions: readonly Pick<Transaction, 'txid' | 'inputs'>[]): string[] {
  const spenders = new Map<string, string>()
  return transactions.flatMap(({ txid, inputs }) =>
    inputs.flatMap(input => {
      const coin = outpointText(input)
      if (coin === FROM_NOTHING) return []
      const other = spenders.get(coin)
      spenders.set(coin, txid)
      return other === undefined || other === txid ? [] : [`${coin} is spent by ${other} and by ${txid}`]
    }),
  )
}

/** What the first transaction of each block says that it spends. */
const FROM_NOTHING = outpointText({ txid: '00'.repeat(32), vout: 0xffff_ffff })
