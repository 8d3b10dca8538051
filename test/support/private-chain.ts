import type { BeefTransaction } from '../../src/contract/beef.ts'
import { type Bump, readBump, writeBump } from '../../src/contract/bump.ts'
import { type HeaderChain, headerChain } from '../../src/contract/headers.ts'
import { type Transaction, u32le } from '../../src/contract/transaction.ts'
import { concat, concatAll, toHex } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { sha256 } from '../../src/core/sha256.node.ts'

/** A private chain in memory: real headers with trivial work, real Merkle paths. For tests and vectors only. */
export class PrivateChain {
  readonly #headers: Uint8Array[] = []
  #tip: Uint8Array = new Uint8Array(32)

  /** Puts the transactions into one block, in this order, and answers with a path for each. */
  mine(transactions: readonly Transaction[]): Bump[] {
    const height = this.#headers.length
    const { root, paths } = blockOf(transactions, height)
    const header = withWork(this.#tip, root, height)
    this.#headers.push(header)
    this.#tip = sha256(sha256(header))
    return paths
  }

  headers(): HeaderChain {
    return orThrow(headerChain(concatAll(this.#headers), 0, 'local'))
  }

  headersFile(): string {
    return JSON.stringify({ network: 'local', firstHeight: 0, headers: toHex(concatAll(this.#headers)) })
  }
}

/** Transactions of one block, each with its path, where no chain of headers is asked for. */
export function mine(transactions: readonly Transaction[], height = 7): BeefTransaction[] {
  const { paths } = blockOf(transactions, height)
  return transactions.flatMap((transaction, i) => {
    const proof = paths[i]
    return proof === undefined ? [] : [{ ...transaction, proof }]
  })
}

function blockOf(transactions: readonly Transaction[], height: number) {
  const tree = merkleTree(transactions.map(({ txid }) => Uint8Array.from(Buffer.from(txid, 'hex')).reverse()))
  const paths = transactions.map((_, index) =>
    orThrow(readBump(writeBump({ height, levels: pathOf(tree, index) }))),
  )
  return { root: tree.at(-1)?.[0] ?? new Uint8Array(32), paths }
}

function withWork(previous: Uint8Array, root: Uint8Array, height: number): Uint8Array {
  for (let nonce = 0; ; nonce++) {
    const header = concat(
      u32le(1),
      previous,
      root,
      u32le(1_780_000_000 + 600 * height),
      u32le(easiestTarget),
      u32le(nonce),
    )
    // The target's top byte is 7f: the hash, read from its end, must begin with a zero bit.
    if ((sha256(sha256(header))[31] ?? 0xff) < 0x80) return header
  }
}

const easiestTarget = 0x207fffff

/** Bitcoin's tree: an odd node is paired with itself. Undefined marks that repetition in paths. */
function merkleTree(leaves: readonly Uint8Array[]): Uint8Array[][] {
  const tree = [[...leaves]]
  for (let level = tree[0] ?? []; level.length > 1; level = tree.at(-1) ?? []) {
    const above: Uint8Array[] = []
    for (let i = 0; i < level.length; i += 2) {
      const left = level[i] ?? new Uint8Array(32)
      above.push(sha256(sha256(concat(left, level[i + 1] ?? left))))
    }
    tree.push(above)
  }
  return tree
}

function pathOf(tree: readonly (readonly Uint8Array[])[], index: number): Bump['levels'] {
  const levels = tree.slice(0, Math.max(1, tree.length - 1))
  return levels.map((level, depth) => {
    const offset = Math.floor(index / 2 ** depth)
    const sibling = offset % 2 === 0 ? offset + 1 : offset - 1
    const neighbour = { offset: sibling, hash: level[sibling], txid: false }
    if (depth > 0) return [neighbour]
    const own = { offset, hash: level[offset], txid: true }
    return level.length === 1 ? [own] : [own, neighbour].sort((a, b) => a.offset - b.offset)
  })
}
