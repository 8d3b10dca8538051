import { coinbase, headerHash, noHash } from '../../src/adapters/chain/block.ts'
import { blockTree, bumpOf, rootOfTree } from '../../src/adapters/chain/block-tree.ts'
import type { Anchor } from '../../src/adapters/chain/network/anchor.ts'
import type { Bump } from '../../src/contract/bump.ts'
import { hasWork } from '../../src/contract/headers.ts'
import type { Transaction } from '../../src/contract/transaction.ts'
import { u32le } from '../../src/contract/transaction.ts'
import { concat, concatAll, knownHex, utf8 } from '../../src/core/bytes.ts'
import { sha256 } from '../../src/core/sha256.node.ts'

export type MadeBlock = {
  readonly header: Uint8Array
  readonly hash: string
  readonly height: number
  readonly previous: MadeBlock | undefined
  readonly txids: readonly string[]
}

/** Every second hash meets it. */
export const EASY = 0x207fffff
/** 256 times the work. */
export const HARD = 0x20007fff

/**
 * A public network in memory, with real headers, real Merkle paths and hardly any work. `tip` is what its services
 * take for the best block; a test may set it to any.
 */
export class MadeNetwork {
  readonly genesis = madeBlock(undefined, [], EASY, 'genesis')
  readonly blocks = new Map([[this.genesis.hash, this.genesis]])
  tip = this.genesis

  get anchor(): Anchor {
    return {
      genesis: this.genesis.header,
      easiestBits: EASY,
      difficultySteps: 'free',
      checkpoints: new Map(),
    }
  }

  /** A block with these, on any other; it becomes the tip. */
  mine(transactions: readonly Transaction[] = [], { on = this.tip, bits = EASY, salt = '' } = {}): MadeBlock {
    const block = madeBlock(on, transactions, bits, salt)
    this.blocks.set(block.hash, block)
    this.tip = block
    return block
  }

  mineSeveral(count: number, options: { on?: MadeBlock; salt?: string } = {}): MadeBlock {
    let on = options.on ?? this.tip
    for (let i = 0; i < count; i++) on = this.mine([], { on, ...(options.salt && { salt: options.salt }) })
    return on
  }

  /** The block on the tip's branch that holds it. */
  blockOf(txid: string): MadeBlock | undefined {
    for (const block of chainTo(this.tip)) if (block.txids.includes(txid)) return block
    return undefined
  }

  proofOf(txid: string, block: MadeBlock): Bump {
    return bumpOf(treeOf(block.txids), block.height, block.txids.indexOf(txid))
  }

  headersFile(network = 'testnet'): string {
    const headers = concatAll([...chainTo(this.tip)].reverse().map(({ header }) => header))
    return JSON.stringify({ network, firstHeight: 0, headers: Buffer.from(headers).toString('hex') })
  }
}

/** The block and all before it, the latest first. */
export function* chainTo(tip: MadeBlock): Generator<MadeBlock> {
  for (let block: MadeBlock | undefined = tip; block !== undefined; block = block.previous) yield block
}

/** A header that names `previous`, of any root. */
export function madeHeader(
  previous: string,
  root: Uint8Array,
  bits: number,
  meetsTarget = true,
  seconds = 1_780_000_000,
): Uint8Array {
  const start = concat(u32le(0x2000_0000), knownHex(previous).reverse(), root, u32le(seconds), u32le(bits))
  for (let nonce = 0; ; nonce++) {
    const header = concat(start, u32le(nonce))
    if (hasWork(sha256(sha256(header)), header) === meetsTarget) return header
  }
}

function madeBlock(
  previous: MadeBlock | undefined,
  transactions: readonly Transaction[],
  bits: number,
  salt: string,
): MadeBlock {
  const height = previous === undefined ? 0 : previous.height + 1
  const txids = [coinbase(height, utf8(`salt ${salt}`)), ...transactions].map(({ txid }) => txid)
  const root = rootOfTree(treeOf(txids))
  const header = madeHeader(previous?.hash ?? noHash, root, bits)
  return { header, hash: headerHash(header), height, previous, txids }
}

function treeOf(txids: readonly string[]) {
  return blockTree(concatAll(txids.map(knownHex)))
}
