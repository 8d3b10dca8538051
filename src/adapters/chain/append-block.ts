import type { Transaction } from '../../contract/transaction.ts'
import { concatAll, knownHex } from '../../core/bytes.ts'
import { bytea, hexOf, type Queryable } from '../postgres/sql.ts'
import { coinbase, headerHash, mineHeader, noHash, timeOf } from './block.ts'
import { blockTree, rootOfTree } from './block-tree.ts'
import type { Tip } from './chain.ts'

/** Time and chance, as the chain takes them. */
export type Surroundings = {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly randomBytes: (length: number) => Uint8Array
}

export type BlockTip = Tip & { readonly timeSeconds: number }

/** What the first block is built on. */
export const beforeGenesis: BlockTip = { height: -1, hash: noHash, timeSeconds: 0 }

/** The highest block of the best chain; undefined before the first one. Whoever builds on it holds `tip`. */
export async function readTip(client: Queryable): Promise<BlockTip | undefined> {
  const { rows } = await client.query<{ height: number; hash: Buffer; header: Buffer }>(
    'SELECT height, hash, header FROM chain_blocks WHERE best ORDER BY height DESC LIMIT 1',
  )
  const [row] = rows
  return row && { height: row.height, hash: hexOf(row.hash), timeSeconds: timeOf(row.header) }
}

/** A new block on top of `previous`, with these pooled transactions, in this order. */
export async function appendBlock(
  client: Queryable,
  previous: BlockTip,
  txids: readonly Uint8Array[],
  { now, randomBytes }: Surroundings,
  first: Transaction = coinbase(previous.height + 1, randomBytes(SALT_BYTES)),
): Promise<BlockTip> {
  const height = previous.height + 1
  // A clock that was set back must not make a block older than its parent.
  const timeSeconds = Math.max(previous.timeSeconds, Math.floor(now() / 1000))
  const all = concatAll([knownHex(first.txid), ...txids])
  const header = mineHeader({ previous: previous.hash, root: rootOfTree(blockTree(all)), timeSeconds })
  const hash = headerHash(header)
  await client.query(
    'INSERT INTO chain_blocks (hash, previous, height, header, txids, best) VALUES ($1, $2, $3, $4, $5, true)',
    [bytea(hash), bytea(previous.hash), height, header, all],
  )
  await client.query(
    `INSERT INTO chain_transactions (txid, raw, state, block_hash) VALUES ($1, $2, 'mined', $3)`,
    [bytea(first.txid), first.raw, bytea(hash)],
  )
  const { rowCount } = await client.query(
    `UPDATE chain_transactions SET state = 'mined', block_hash = $1
     WHERE txid = ANY ($2::bytea[]) AND state = 'pooled'`,
    [bytea(hash), txids],
  )
  if (rowCount !== txids.length)
    throw new Error(
      `block ${height} was to hold ${txids.length} pooled transactions; only ${rowCount} are pooled`,
    )
  return { height, hash, timeSeconds }
}

export const SALT_BYTES = 16
