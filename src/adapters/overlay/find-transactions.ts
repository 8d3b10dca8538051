import { readTransaction, type Transaction } from '../../contract/transaction.ts'
import { orThrow } from '../../core/fault.ts'
import { byteas, type Queryable } from '../postgres/sql.ts'

/** Those of them that are stored here, by the overlay or for fuel alone, in no order. */
export async function findTransactions(
  txids: readonly string[],
  db: Queryable,
): Promise<readonly Transaction[]> {
  if (txids.length === 0) return []
  const { rows } = await db.query<{ raw: Buffer }>({
    name: 'find-transactions',
    text: `select raw from transactions where txid = any ($1::bytea[])
      union select raw from fuel_transactions where txid = any ($1::bytea[])`,
    values: [byteas(txids)],
  })
  return rows.map(({ raw }) => orThrow(readTransaction(raw)))
}
