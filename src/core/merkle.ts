import { sha256, sha256Into } from '#sha256'
import { concat, sameBytes } from './bytes.ts'

/**
 * RFC 6962 trees: leaf = SHA-256(00 ‖ bytes), node = SHA-256(01 ‖ left ‖ right), the left half the largest
 * power of two. An odd node is carried up, never paired with itself, so no two lists of leaves share a root.
 *
 * Leaves travel as one flat array of 32-byte hashes: a packet has thousands, and an object each would cost
 * more than the hashing.
 */
export const emptyRoot: Uint8Array = sha256('')

export function leafHash(bytes: Uint8Array): Uint8Array {
  return sha256(concat(Uint8Array.of(0), bytes))
}

export function merkleRoot(leaves: Uint8Array): Uint8Array {
  let level = leaves
  let count = leafCount(leaves)
  if (count === 0) return emptyRoot
  while (count > 1) {
    level = levelAbove(level, count)
    count = (count + 1) >> 1
  }
  return level.slice(0, 32)
}

/** The path from leaf `index` to the root, nearest first (RFC 9162 §2.1.3.1). */
export function inclusionPath(leaves: Uint8Array, index: number): Uint8Array[] {
  return pathIn(merkleLevels(leaves), index)
}

/** From the leaves up to the root: for whoever asks for many paths of one tree. Empty for no leaves. */
export function merkleLevels(leaves: Uint8Array): Uint8Array[] {
  let level = leaves
  let count = leafCount(leaves)
  if (count === 0) return []
  const levels = [level]
  while (count > 1) {
    level = levelAbove(level, count)
    count = (count + 1) >> 1
    levels.push(level)
  }
  return levels
}

/** As `inclusionPath` has it, from levels that are known. */
export function pathIn(levels: readonly Uint8Array[], index: number): Uint8Array[] {
  const count = leafCount(levels[0] ?? new Uint8Array())
  if (!(index >= 0 && index < count)) throw new Error(`leaf ${index} of ${count} does not exist`)
  return levels.slice(0, -1).flatMap((level, height) => {
    const sibling = (index >> height) ^ 1
    return sibling < leafCount(level) ? [level.slice(sibling * 32, sibling * 32 + 32)] : []
  })
}

/** The root that `path` leads to from leaf `index` of `count`, or undefined where the path has another length. */
export function rootFromPath(
  leaf: Uint8Array,
  index: number,
  count: number,
  path: readonly Uint8Array[],
): Uint8Array | undefined {
  if (!(Number.isSafeInteger(index) && Number.isSafeInteger(count) && index >= 0 && index < count))
    return undefined
  if (leaf.length !== 32 || path.some(sibling => sibling.length !== 32)) return undefined
  let hash = leaf
  let at = index
  let left = count
  let used = 0
  while (left > 1) {
    if ((at ^ 1) < left) {
      const sibling = path[used++]
      if (sibling === undefined) return undefined
      hash = at % 2 === 1 ? nodeHash(sibling, hash) : nodeHash(hash, sibling)
    }
    at = Math.floor(at / 2)
    left = Math.ceil(left / 2)
  }
  return used === path.length ? hash : undefined
}

export function includes(
  root: Uint8Array,
  leaf: Uint8Array,
  index: number,
  count: number,
  path: readonly Uint8Array[],
): boolean {
  const reached = rootFromPath(leaf, index, count, path)
  return reached !== undefined && sameBytes(reached, root)
}

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concat(Uint8Array.of(1), left, right))
}

const pair = new Uint8Array(65)
pair[0] = 1

function levelAbove(level: Uint8Array, count: number): Uint8Array {
  const above = new Uint8Array(((count + 1) >> 1) * 32)
  let at = 0
  for (let i = 0; i + 1 < count; i += 2) {
    for (let k = 0; k < 64; k++) pair[k + 1] = level[i * 32 + k] as number
    sha256Into(pair, above, at)
    at += 32
  }
  if (count % 2 === 1) above.set(level.subarray((count - 1) * 32, count * 32), at)
  return above
}

function leafCount(leaves: Uint8Array): number {
  if (leaves.length % 32 !== 0) throw new Error(`${leaves.length} bytes are not a list of 32-byte hashes`)
  return leaves.length / 32
}
