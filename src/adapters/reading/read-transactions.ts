import type { Pool } from 'pg'
import type { ReadTransactions } from '../../serve/packet-work.ts'
import { byteas } from '../postgres/sql.ts'

/** Ours, and those that others have submitted here. */
export function openReadTransactions(pool: Pool): ReadTransactions {
  return async txids => {
    const { rows } = await pool.query<{ txid: string; raw: Uint8Array }>({
      name: 'reading-transactions',
      text: `select distinct on (txid) encode(txid, 'hex') as txid, raw from (
          select txid, raw from transactions where txid = any ($1::bytea[])
          union all select txid, raw from fuel_transactions where txid = any ($1::bytea[])) as known`,
      values: [byteas(txids)],
    })
    return new Map(rows.map(({ txid, raw }) => [txid, Uint8Array.from(raw)]))
  }
}
