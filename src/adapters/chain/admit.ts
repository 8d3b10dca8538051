import { outpointText, type Transaction } from '../../contract/transaction.ts'
import { bytea, byteas, hexOf, type Queryable } from '../postgres/sql.ts'

export type Admission =
  | { readonly kind: 'pooled' | 'known' }
  /** Something it spends is not, or no longer, on the chain or in the mempool. */
  | { readonly kind: 'orphan' }
  | { readonly kind: 'double-spend'; readonly competing: readonly string[] }

/**
 * Puts a transaction whose scripts and amounts were judged into the mempool, with what it spends. The caller holds
 * `arrivals` and rolls back where the answer is not `pooled`.
 */
export async function admit(client: Queryable, transaction: Transaction): Promise<Admission> {
  const parents = [...new Set(transaction.inputs.map(({ txid }) => txid))]
  // Sorted, so that two newcomers that meet on several coins wait for each other in one direction only.
  const coins = transaction.inputs.toSorted((a, b) => (outpointText(a) < outpointText(b) ? -1 : 1))
  const spent = [coins.map(({ txid }) => bytea(txid)), coins.map(({ vout }) => vout)]
  const { rows } = await client.query<{ live: number; added: number; spends: number }>({
    name: 'chain-admit',
    text: admitStatement,
    values: [bytea(transaction.txid), transaction.raw, byteas(parents), ...spent],
  })
  const [row] = rows
  if (row === undefined || row.live < parents.length) return { kind: 'orphan' }
  if (row.added === 0) return { kind: 'known' }
  if (row.spends === coins.length) return { kind: 'pooled' }
  return { kind: 'double-spend', competing: await spendersOf(client, transaction) }
}

/** One statement: either all of it is seen, or none. */
const admitStatement = `
  WITH live AS (
    SELECT count(*)::int AS parents FROM chain_transactions
    WHERE txid = ANY ($3::bytea[]) AND state <> 'rejected'
  ), added AS (
    INSERT INTO chain_transactions (txid, raw, state)
    SELECT $1::bytea, $2::bytea, 'pooled' FROM live WHERE parents = cardinality($3::bytea[])
    ON CONFLICT (txid) DO UPDATE SET state = 'pooled', arrival = EXCLUDED.arrival, rejected_for = NULL
      WHERE chain_transactions.state = 'rejected'
    RETURNING txid
  ), spends AS (
    INSERT INTO chain_spends (txid, vout, spender)
    SELECT coin.txid, coin.vout, added.txid
    FROM added, unnest($4::bytea[], $5::int[]) AS coin (txid, vout)
    ON CONFLICT (txid, vout) DO NOTHING
    RETURNING 1
  ), purse AS (
    -- Mostly the faucet's own doing; a rival of its payments may spend its coins as well.
    UPDATE chain_faucet_coins SET spender = added.txid
    FROM added, unnest($4::bytea[], $5::int[]) AS coin (txid, vout)
    WHERE chain_faucet_coins.txid = coin.txid AND chain_faucet_coins.vout = coin.vout
  )
  SELECT parents AS live, (SELECT count(*)::int FROM added) AS added, (SELECT count(*)::int FROM spends) AS spends
  FROM live`

/** Who else spends what this transaction spends. */
export async function spendersOf(client: Queryable, { txid, inputs }: Transaction): Promise<string[]> {
  const { rows } = await client.query<{ spender: Buffer }>(
    `SELECT DISTINCT spender FROM chain_spends
     JOIN unnest($1::bytea[], $2::int[]) AS coin (txid, vout) USING (txid, vout)
     WHERE spender <> $3 ORDER BY spender`,
    [inputs.map(input => bytea(input.txid)), inputs.map(({ vout }) => vout), bytea(txid)],
  )
  return rows.map(row => hexOf(row.spender))
}
