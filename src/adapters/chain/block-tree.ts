import { sha256 } from '#sha256'
import { type Bump, readBump, writeBump } from '../../contract/bump.ts'
import { orThrow } from '../../core/fault.ts'

/** A block's Merkle tree: one array of 32-byte nodes per level, in the order they are hashed in. */
export type BlockTree = readonly Uint8Array[]

const HASH_BYTES = 32

/** From txids as the database keeps them: 32 bytes each, as explorers print them, one after the other. */
export function blockTree(txids: Uint8Array): BlockTree {
  const levels = [turnedRound(txids)]
  for (let level = levels[0]; level !== undefined && level.length > HASH_BYTES; level = levels.at(-1))
    levels.push(levelAbove(level))
  return levels
}

export function rootOfTree(tree: BlockTree): Uint8Array {
  return tree.at(-1) ?? new Uint8Array(HASH_BYTES)
}

/** The path of one transaction, through the strict reader: what leaves this process is what we would accept. */
export function bumpOf(tree: BlockTree, height: number, index: number): Bump {
  return orThrow(readBump(writeBump({ height, levels: pathOf(tree, index) })))
}

function pathOf(tree: BlockTree, index: number): Bump['levels'] {
  return tree.slice(0, Math.max(1, tree.length - 1)).map((level, depth) => {
    const offset = Math.floor(index / 2 ** depth)
    const sibling = offset % 2 === 0 ? offset + 1 : offset - 1
    // Beyond the level's end the tree repeats the node to the left.
    const neighbour = { offset: sibling, hash: node(level, sibling), txid: false }
    if (depth > 0) return [neighbour]
    const own = { offset, hash: node(level, offset), txid: true }
    const alone = level.length === HASH_BYTES
    return alone ? [own] : [own, neighbour].sort((a, b) => a.offset - b.offset)
  })
}

function node(level: Uint8Array, offset: number): Uint8Array | undefined {
  const at = offset * HASH_BYTES
  return at < level.length ? level.subarray(at, at + HASH_BYTES) : undefined
}

function levelAbove(level: Uint8Array): Uint8Array {
  const pairs = Math.ceil(level.length / (2 * HASH_BYTES))
  const above = new Uint8Array(pairs * HASH_BYTES)
  const pair = new Uint8Array(2 * HASH_BYTES)
  for (let i = 0; i < pairs; i++) {
    const left = level.subarray(2 * i * HASH_BYTES, (2 * i + 1) * HASH_BYTES)
    const right = node(level, 2 * i + 1) ?? left
    pair.set(left)
    pair.set(right, HASH_BYTES)
    above.set(sha256(sha256(pair)), i * HASH_BYTES)
  }
  return above
}

function turnedRound(txids: Uint8Array): Uint8Array {
  const turned = new Uint8Array(txids.length)
  for (let at = 0; at < txids.length; at += HASH_BYTES)
    turned.set(txids.subarray(at, at + HASH_BYTES).toReversed(), at)
  return turned
}
