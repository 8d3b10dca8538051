import { bytea, type Queryable } from '../postgres/sql.ts'

export type UnspentOutput = { readonly txid: string; readonly outputIndex: number; readonly score: number }

/** What a topic holds unspent, in the order it was admitted, from this time on. */
export async function readUnspent(
  db: Queryable,
  topic: string,
  sinceMs: number,
  limit: number,
): Promise<UnspentOutput[]> {
  const { rows } = await db.query<UnspentOutput>({
    name: 'read-unspent',
    text: `select encode(outputs.txid, 'hex') as txid, outputs.vout as "outputIndex", admitted_ms as score
      from outputs join coins using (txid, vout)
      where topic = $1 and admitted_ms >= $2 and spender is null
      order by admitted_ms, outputs.txid, outputs.vout limit $3`,
    values: [topic, sinceMs, limit],
  })
  return rows
}

/** A stored transaction with its own proof, in hex: what a peer that walks a graph asks for, one by one. */
export async function readRaw(
  db: Queryable,
  txid: string,
): Promise<{ rawTx: string; proof?: string } | undefined> {
  const { rows } = await db.query<{ rawTx: string; proof: string | null }>({
    name: 'read-raw',
    text: `select encode(raw, 'hex') as "rawTx", encode(proof, 'hex') as proof from transactions where txid = $1`,
    values: [bytea(txid)],
  })
  const [row] = rows
  if (row === undefined) return undefined
  return row.proof === null ? { rawTx: row.rawTx } : { rawTx: row.rawTx, proof: row.proof }
}
