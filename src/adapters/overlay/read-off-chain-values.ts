import { byteas, type Queryable } from '../postgres/sql.ts'

/** What these transactions came with, by txid; the same for every topic. */
export async function readOffChainValues(
  db: Queryable,
  txids: readonly string[],
): Promise<Map<string, Uint8Array>> {
  const { rows } = await db.query<{ txid: string; bytes: Buffer }>({
    name: 'read-off-chain-values',
    text: `select distinct on (txid) encode(txid, 'hex') as txid, bytes from off_chain_values where txid = any ($1)`,
    values: [byteas(txids)],
  })
  return new Map(rows.map(({ txid, bytes }) => [txid, Uint8Array.from(bytes)]))
}
