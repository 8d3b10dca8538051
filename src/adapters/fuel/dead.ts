import { byteas, type Queryable } from '../postgres/sql.ts'

/** Of these, the ones that the network will not have. */
export async function readDead(db: Queryable, txids: readonly string[]): Promise<string[]> {
  const { rows } = await db.query<{ txid: string }>({
    name: 'fuel-dead',
    text: `select encode(txid, 'hex') as txid from fuel_transactions where txid = any ($1) and state = 'dead'`,
    values: [byteas(txids)],
  })
  return rows.map(({ txid }) => txid)
}
