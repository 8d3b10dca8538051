import { type BeefTransaction, writeBeef } from '../../contract/beef.ts'
import { bytea, byteas, hexOf, type Queryable } from '../postgres/sql.ts'
import { storedTransaction } from './accept.ts'
import type { Mined, Proofs } from './proofs.ts'

/** What the database says of a transaction that is in the mempool or mined. */
export type Stored = {
  readonly txid: string
  /** Undefined: in the mempool. */
  readonly block: { readonly hash: string; readonly height: number } | undefined
}

/** One query, however many. Unknown ones, and those thrown out, are missing. */
export async function findStored(client: Queryable, txids: readonly string[]): Promise<Stored[]> {
  const { rows } = await client.query<{ txid: Buffer; hash: Buffer | null; height: number | null }>({
    name: 'chain-status',
    text: `SELECT t.txid, b.hash, b.height FROM chain_transactions t
           LEFT JOIN chain_blocks b ON b.hash = t.block_hash
           WHERE t.txid = ANY ($1::bytea[]) AND t.state <> 'rejected'`,
    values: [byteas(txids)],
  })
  return rows.map(({ txid, hash, height }) => ({
    txid: hexOf(txid),
    block: hash === null || height === null ? undefined : { hash: hexOf(hash), height },
  }))
}

export async function readRaw(client: Queryable, txid: string): Promise<Uint8Array | undefined> {
  const { rows } = await client.query<{ raw: Buffer }>(
    `SELECT raw FROM chain_transactions WHERE txid = $1 AND state <> 'rejected'`,
    [bytea(txid)],
  )
  return rows[0]?.raw
}

/** A longer chain of unmined transactions is not assembled; once a block comes, it is short again. */
export const BEEF_ANCESTORS_MAX = 1_000

/** The transaction with all that is needed to believe it; undefined where one of them is not there any more. */
export async function assembleBeef(
  client: Queryable,
  proofs: Proofs,
  txid: string,
): Promise<Uint8Array | undefined> {
  const found = new Map<string, BeefTransaction>()
  for (let wanted = [txid]; wanted.length > 0; ) {
    const generation = await withProofs(client, proofs, wanted)
    if (generation.length < wanted.length) return undefined
    for (const transaction of generation) found.set(transaction.txid, transaction)
    if (found.size > BEEF_ANCESTORS_MAX)
      throw new Error(`${txid} has more than ${BEEF_ANCESTORS_MAX} ancestors in no block; wait for one`)
    const parents = generation.flatMap(({ proof, inputs }) => (proof === undefined ? inputs : []))
    wanted = [...new Set(parents.map(parent => parent.txid))].filter(parent => !found.has(parent))
  }
  const subject = found.get(txid)
  if (subject === undefined) return undefined
  found.delete(txid)
  return writeBeef([...found.values(), subject])
}

async function withProofs(
  client: Queryable,
  proofs: Proofs,
  txids: readonly string[],
): Promise<BeefTransaction[]> {
  const { rows } = await client.query<{ raw: Buffer; block_hash: Buffer | null }>({
    name: 'chain-raw',
    text: `SELECT raw, block_hash FROM chain_transactions WHERE txid = ANY ($1::bytea[]) AND state <> 'rejected'`,
    values: [byteas(txids)],
  })
  const transactions = rows.map(({ raw, block_hash }) => ({
    transaction: storedTransaction(raw),
    blockHash: block_hash === null ? undefined : hexOf(block_hash),
  }))
  const mined: Mined[] = transactions.flatMap(({ transaction: { txid }, blockHash }) =>
    blockHash === undefined ? [] : { txid, blockHash },
  )
  const paths = await proofs.proofsOf(mined)
  const proofOf = new Map(mined.map(({ txid }, i) => [txid, paths[i]]))
  return transactions.map(({ transaction }) => {
    const proof = proofOf.get(transaction.txid)
    return proof === undefined ? transaction : { ...transaction, proof }
  })
}
