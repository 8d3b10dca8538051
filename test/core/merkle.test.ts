import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, knownHex, toHex, utf8 } from '../../src/core/bytes.ts'
import {
  emptyRoot,
  includes,
  inclusionPath,
  leafHash,
  merkleRoot,
  rootFromPath,
} from '../../src/core/merkle.ts'
import published from '../vectors/external/certificate-transparency.json' with { type: 'json' }

/** MTH of RFC 6962 §2.1, word for word, over the entries themselves. */
function treeHash(entries: readonly Uint8Array[]): Buffer {
  const [only] = entries
  if (only === undefined) return sha256()
  if (entries.length === 1) return sha256(Buffer.of(0), only)
  const k = splitOf(entries.length)
  return sha256(Buffer.of(1), treeHash(entries.slice(0, k)), treeHash(entries.slice(k)))
}

/** PATH of RFC 6962 §2.1.1, word for word. */
function auditPath(m: number, entries: readonly Uint8Array[]): Buffer[] {
  if (entries.length === 1) return []
  const k = splitOf(entries.length)
  return m < k
    ? [...auditPath(m, entries.slice(0, k)), treeHash(entries.slice(k))]
    : [...auditPath(m - k, entries.slice(k)), treeHash(entries.slice(0, k))]
}

/** The largest power of two smaller than n. */
function splitOf(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

const entriesOf = (count: number) => Array.from({ length: count }, (_, i) => utf8(`entry ${i} of ${count}`))
const leavesOf = (entries: readonly Uint8Array[]) => concat(...entries.map(leafHash))
const hexOf = (path: readonly Uint8Array[]) => path.map(toHex)

describe('a Merkle tree', () => {
  test.each(published.roots.map((root, count) => ({ root, count })))(
    'has the published root of Certificate Transparency over $count leaves',
    ({ root, count }) => {
      const entries = published.leaves.slice(0, count).map(knownHex)
      expect(treeHash(entries).toString('hex')).toBe(root)
      expect(toHex(merkleRoot(leavesOf(entries)))).toBe(root)
    },
  )

  test.each(published.inclusion)(
    'has the published path from leaf $index of $count',
    ({ index, count, path }) => {
      const entries = published.leaves.slice(0, count).map(knownHex)
      expect(auditPath(index, entries).map(toHex)).toEqual(path)
      expect(hexOf(inclusionPath(leavesOf(entries), index))).toEqual(path)
      const leaf = leafHash(knownHex(published.leaves[index] ?? ''))
      expect(includes(knownHex(published.roots[count] ?? ''), leaf, index, count, path.map(knownHex))).toBe(
        true,
      )
    },
  )

  test('over nothing has the root SHA-256("")', () => {
    expect(toHex(emptyRoot)).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    expect(merkleRoot(new Uint8Array(0))).toEqual(emptyRoot)
  })

  test('has the roots and paths of RFC 6962 for every size up to 70 and every leaf', () => {
    for (let count = 1; count <= 70; count++) {
      const entries = entriesOf(count)
      const leaves = leavesOf(entries)
      const root = merkleRoot(leaves)
      expect(toHex(root)).toBe(toHex(treeHash(entries)))
      for (let index = 0; index < count; index++) {
        const path = inclusionPath(leaves, index)
        expect(hexOf(path)).toEqual(hexOf(auditPath(index, entries)))
        expect(includes(root, leaves.slice(32 * index, 32 * index + 32), index, count, path)).toBe(true)
      }
    }
  })

  test('has them for random sizes too', () => {
    const sized = fc
      .integer({ min: 71, max: 1_500 })
      .chain(count => fc.tuple(fc.constant(count), fc.nat(count - 1)))
    fc.assert(
      fc.property(sized, ([count, index]) => {
        const entries = entriesOf(count)
        const leaves = leavesOf(entries)
        expect(toHex(merkleRoot(leaves))).toBe(toHex(treeHash(entries)))
        expect(hexOf(inclusionPath(leaves, index))).toEqual(hexOf(auditPath(index, entries)))
      }),
      { numRuns: 15 },
    )
  })

  test('carries an odd leaf up: repeating the last one makes another tree', () => {
    const [a, b, c] = entriesOf(3)
    const three = leavesOf([a, b, c].filter(entry => entry !== undefined))
    expect(merkleRoot(concat(three, three.slice(64)))).not.toEqual(merkleRoot(three))
  })

  test('cannot take an inner node for a leaf', () => {
    const leaves = leavesOf(entriesOf(2))
    expect(leafHash(leaves)).not.toEqual(merkleRoot(leaves))
  })

  test('leaves the leaves as they were, and gives a root that is its own copy', () => {
    const leaves = leavesOf(entriesOf(5))
    const before = leaves.slice()
    merkleRoot(leaves).fill(0)
    for (const sibling of inclusionPath(leaves, 4)) sibling.fill(0)
    expect(leaves).toEqual(before)

    const single = leavesOf(entriesOf(1))
    merkleRoot(single).fill(0)
    expect(single).toEqual(leavesOf(entriesOf(1)))
  })

  test('refuses to be built over bytes that are not whole hashes', () => {
    expect(() => merkleRoot(new Uint8Array(33))).toThrow('33 bytes are not a list of 32-byte hashes')
    expect(() => inclusionPath(leavesOf(entriesOf(3)), 3)).toThrow('leaf 3 of 3 does not exist')
  })
})

describe('an inclusion proof', () => {
  const proofs = fc
    .integer({ min: 1, max: 40 })
    .chain(count => fc.tuple(fc.constant(count), fc.nat(count - 1)))
    .map(([count, index]) => {
      const leaves = leavesOf(entriesOf(count))
      const leaf = leaves.slice(32 * index, 32 * index + 32)
      return { count, index, leaf, root: merkleRoot(leaves), path: inclusionPath(leaves, index) }
    })

  test('falls with any one bit of its leaf, its root or its path', () => {
    fc.assert(
      fc.property(proofs, fc.nat(), ({ count, index, leaf, root, path }, seed) => {
        const parts = [leaf, root, ...path]
        const bit = seed % (parts.length * 256)
        const part = parts[bit >> 8] ?? leaf
        flip(part, bit & 255)
        expect(includes(root, leaf, index, count, path)).toBe(false)
        flip(part, bit & 255)
        expect(includes(root, leaf, index, count, path)).toBe(true)
      }),
      { numRuns: 3_000 },
    )
  })

  test('holds for one index only', () => {
    fc.assert(
      fc.property(proofs, fc.integer({ min: -2, max: 45 }), ({ count, index, leaf, root, path }, other) => {
        expect(includes(root, leaf, other, count, path)).toBe(other === index)
      }),
      { numRuns: 1_500 },
    )
  })

  // Leaf 0 of 5 and leaf 0 of 8 are paired on the same sides, and RFC 6962 tells them apart by the root alone.
  // That a count is true is the packet header's to say, which commits to it beside the root.
  test('falls with a count under which the leaf would be paired on other sides', () => {
    fc.assert(
      fc.property(proofs, fc.integer({ min: -2, max: 90 }), ({ count, index, leaf, root, path }, other) => {
        fc.pre(sidesOf(index, other).join() !== sidesOf(index, count).join())
        expect(includes(root, leaf, index, other, path)).toBe(false)
      }),
      { numRuns: 1_500 },
    )
  })

  test('falls with a path that is longer, shorter, reversed or not of hashes', () => {
    const leaves = leavesOf(entriesOf(6))
    const root = merkleRoot(leaves)
    const leaf = leaves.slice(0, 32)
    const path = inclusionPath(leaves, 0)
    const bent = [
      path.slice(1),
      path.slice(0, -1),
      [...path, leaf],
      path.toReversed(),
      [...path.slice(0, -1), root.slice(1)],
    ]
    for (const wrong of [...bent, []]) expect(includes(root, leaf, 0, 6, wrong)).toBe(false)
  })

  test('is refused for numbers that are no positions, without a loop that does not end', () => {
    const leaf = new Uint8Array(32)
    const positions = [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]
    for (const position of positions) {
      expect(rootFromPath(leaf, position, 8, [])).toBeUndefined()
      expect(rootFromPath(leaf, 0, position, [])).toBeUndefined()
    }
    expect(rootFromPath(leaf.slice(1), 0, 1, [])).toBeUndefined()
    expect(rootFromPath(leaf, 2 ** 52, 2 ** 53 - 1, [])).toBeUndefined()
  })
})

function flip(bytes: Uint8Array, bit: number): void {
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
}

/** From leaf to root: on which side the hash stands where it is paired. Counts that agree on this share proofs. */
function sidesOf(index: number, count: number): string[] {
  if (!(index >= 0 && index < count)) return ['outside']
  if (count === 1) return []
  const k = splitOf(count)
  return index < k ? [...sidesOf(index, k), 'left'] : [...sidesOf(index - k, count - k), 'right']
}
