import { readTransaction, type Transaction } from '../../contract/transaction.ts'
import { orThrow } from '../../core/fault.ts'
import { bytea, byteas, type Queryable } from '../postgres/sql.ts'

/** Of these, the ones that the network will not have. */
export async function readDead(db: Queryable, txids: readonly string[]): Promise<string[]> {
  const { rows } = await db.query<{ txid: string }>({
    name: 'fuel-dead',
    text: `select encode(txid, 'hex') as txid from fuel_transactions where txid = any ($1) and state = 'dead'`,
    values: [byteas(txids)],
  })
  return rows.map(({ txid }) => txid)
}

export async function findWritten(db: Queryable, txid: string): Promise<Transaction | undefined> {
  const { rows } = await db.query<{ raw: Buffer }>({
    name: 'fuel-find',
    text: `select raw from fuel_transactions where txid = $1 and state <> 'dead'`,
    values: [bytea(txid)],
  })
  return rows[0] && orThrow(readTransaction(rows[0].raw))
}
