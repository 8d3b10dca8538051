import type { Bump } from '../../contract/bump.ts'
import { byteas, hexOf, type Queryable } from '../postgres/sql.ts'
import { type BlockTree, blockTree, bumpOf } from './block-tree.ts'

/** Merkle paths, computed from the txids of their blocks. */
export type Proofs = {
  /** In the order asked; the blocks must be in the database, on the best chain or not. */
  proofsOf(mined: readonly Mined[]): Promise<Bump[]>
}

export type Mined = { readonly txid: string; readonly blockHash: string }

/** Trees are kept up to this many transactions in all: about 250 bytes each. */
const TRANSACTIONS_KEPT_MAX = 100_000
/** Blocks per query: at most 160 kB each. */
const BLOCKS_PER_QUERY = 32

type Block = {
  readonly height: number
  readonly tree: BlockTree
  readonly transactions: number
  readonly indexes: ReadonlyMap<string, number>
}

/** A block never changes, so what is kept of one is good for ever, reorganised away or not. */
export function openProofs(client: Queryable): Proofs {
  const kept = new Map<string, Block>()
  let transactionsKept = 0

  function keep(hash: string, block: Block) {
    kept.set(hash, block)
    transactionsKept += block.transactions
    for (const [oldest, { transactions }] of kept) {
      if (transactionsKept <= TRANSACTIONS_KEPT_MAX) break
      kept.delete(oldest)
      transactionsKept -= transactions
    }
  }
  async function blocksOf(hashes: ReadonlySet<string>): Promise<Map<string, Block>> {
    const blocks = new Map<string, Block>()
    const missing: string[] = []
    for (const hash of hashes) {
      const block = kept.get(hash)
      if (block === undefined) missing.push(hash)
      else blocks.set(hash, block)
    }
    for (let at = 0; at < missing.length; at += BLOCKS_PER_QUERY) {
      const { rows } = await client.query<{ hash: Buffer; height: number; txids: Buffer }>({
        name: 'chain-block-txids',
        text: 'SELECT hash, height, txids FROM chain_blocks WHERE hash = ANY ($1::bytea[])',
        values: [byteas(missing.slice(at, at + BLOCKS_PER_QUERY))],
      })
      for (const row of rows) {
        const block = blockOf(row.height, row.txids)
        blocks.set(hexOf(row.hash), block)
        keep(hexOf(row.hash), block)
      }
    }
    return blocks
  }

  return {
    async proofsOf(mined) {
      const blocks = await blocksOf(new Set(mined.map(({ blockHash }) => blockHash)))
      return mined.map(({ txid, blockHash }) => {
        const block = blocks.get(blockHash)
        const index = block?.indexes.get(txid)
        if (block === undefined || index === undefined)
          throw new Error(`block ${blockHash} does not hold ${txid}, though the database says so`)
        return bumpOf(block.tree, block.height, index)
      })
    },
  }
}

function blockOf(height: number, txids: Uint8Array): Block {
  const transactions = txids.length / 32
  const indexes = new Map(
    Array.from({ length: transactions }, (_, i) => [hexOf(txids.subarray(32 * i, 32 * i + 32)), i]),
  )
  return { height, tree: blockTree(txids), transactions, indexes }
}
