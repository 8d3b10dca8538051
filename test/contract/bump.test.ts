import { MerklePath } from '@bsv/sdk'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { computeRoot, readBump, trimBump, writeBump } from '../../src/contract/bump.ts'
import { concat, toHex } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { sha256, sha256Hex } from '../../src/core/sha256.node.ts'

const txidsOf = (count: number) => Array.from({ length: count }, (_, i) => sha256Hex(`tx ${i}`))
const bytesOf = (path: MerklePath) => Uint8Array.from(path.toBinary())
/** One path for several transactions of a block, as the SDK combines it. */
function combined(txids: readonly string[], indexes: readonly number[]): MerklePath {
  const [first = 0, ...more] = indexes
  const path = blockPath(txids, first)
  for (const index of more) path.combine(blockPath(txids, index))
  path.trim()
  return path
}
const block = fc
  .integer({ min: 1, max: 40 })
  .chain(count =>
    fc.tuple(fc.constant(txidsOf(count)), fc.uniqueArray(fc.nat(count - 1), { minLength: 1, maxLength: 5 })),
  )

describe('a Merkle path', () => {
  test('of the SDK reads, writes back, and leads to the same root, for any transactions of a block', () => {
    fc.assert(
      fc.property(block, ([txids, indexes]) => {
        const path = combined(txids, indexes)
        const bump = orThrow(readBump(bytesOf(path)))
        expect(toHex(writeBump(bump))).toBe(path.toHex())
        for (const index of indexes) {
          const txid = txids[index] ?? ''
          expect(computeRoot(bump, txid)).toEqual({ ok: true, value: path.computeRoot(txid) })
        }
      }),
      { numRuns: 250 },
    )
  })

  test('trimmed to some of its transactions is the path the SDK makes for them', () => {
    fc.assert(
      fc.property(block, fc.nat(), ([txids, indexes], pick) => {
        const kept = indexes.filter((_, i) => i === 0 || (pick >> i) % 2 === 1)
        const bump = orThrow(readBump(bytesOf(combined(txids, indexes))))
        const trimmed = trimBump(bump, new Set(kept.map(index => txids[index] ?? '')))
        expect(toHex(writeBump(trimmed))).toBe(combined(txids, kept).toHex())
        expect(trimmed.root).toBe(bump.root)
      }),
      { numRuns: 250 },
    )
  })

  test('is for its own transactions and no other', () => {
    const bump = orThrow(readBump(bytesOf(blockPath(txidsOf(5), 2))))
    expect(computeRoot(bump, sha256Hex('a stranger'))).toMatchObject({
      fault: { code: 'transaction-invalid' },
    })
  })

  const txids = txidsOf(6)
  const bytes = bytesOf(blockPath(txids, 4))

  test('is refused when cut anywhere, or followed by anything', () => {
    for (let length = 0; length < bytes.length; length++)
      expect(readBump(bytes.subarray(0, length))).toMatchObject({ ok: false })
    expect(readBump(concat(bytes, Uint8Array.of(0)))).toMatchObject({ ok: false })
  })

  test('with any bit flipped is refused, or claims another root, height, place or kind', () => {
    const before = orThrow(readBump(bytes))
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice()
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const read = readBump(flipped)
      if (!read.ok) continue
      const { root, height, leaves, levels } = read.value
      const flags = levels[0]?.map(node => node.txid)
      expect({ root, height, leaves, flags }).not.toEqual({
        root: before.root,
        height: before.height,
        leaves: before.leaves,
        flags: before.levels[0]?.map(node => node.txid),
      })
    }
  })

  const [a, b, c, d] = ['aa', 'bb', 'cc', 'dd'].map(byte => byte.repeat(32))
  const malformed: [string, string][] = [
    ['no levels', '0700'],
    ['33 levels', `0721${'00'.repeat(40)}`],
    ['an empty level 0', '070100'],
    ['a missing neighbour', `0702 01 00 02 ${a} 00`],
    ['a missing neighbour higher up', `0702 02 00 02 ${a} 01 00 ${b} 00`],
    ['a neighbour of nobody', `0702 02 00 02 ${a} 01 00 ${b} 02 01 00 ${c} 00 00 ${d}`],
    ['an offset outside the tree', `0701 02 00 02 ${a} 02 00 ${b}`],
    ['one offset twice', `0701 02 00 02 ${a} 00 00 ${b}`],
    ['an unknown flag', `0701 02 00 02 ${a} 01 03 ${b}`],
    ['a transaction above level 0', `0702 02 00 02 ${a} 01 00 ${b} 01 01 02 ${c}`],
    ['a repeated node on the left', `0701 02 00 01 01 02 ${a}`],
    ['a length in a longer form', `0701 fd0200 00 02 ${a} 01 00 ${b}`],
    ['more nodes than bytes', `0701 feffffff7f 00 02 ${a}`],
    ['a lone leaf elsewhere than at the start', `0701 01 01 02 ${a}`],
    ['a neighbour equal to its node', `0701 02 00 02 ${a} 01 00 ${a}`],
    ['a node equal to its neighbour', `0701 02 00 00 ${a} 01 02 ${a}`],
  ]
  test.each(malformed)('with %s is refused', (_, spaced) => {
    const read = readBump(Uint8Array.from(Buffer.from(spaced.replaceAll(' ', ''), 'hex')))
    expect(read).toMatchObject({ ok: false, fault: { code: 'transaction-invalid' } })
  })

  test('that names a node and lets it be computed too must agree with itself', () => {
    const bump = orThrow(readBump(bytesOf(combined(txids, [0, 2]))))
    const [, level1 = []] = bump.levels
    expect(level1).toEqual([])
    const contradicting = {
      ...bump,
      levels: [
        bump.levels[0] ?? [],
        [{ offset: 0, hash: new Uint8Array(32), txid: false }],
        bump.levels[2] ?? [],
      ],
    }
    expect(readBump(writeBump(contradicting))).toMatchObject({
      fault: { detail: expect.stringMatching(/contradicts/) },
    })
  })

  test('uses all 32 bits of an offset', () => {
    const node = (offset: number, txid: boolean) => ({
      offset,
      hash: new Uint8Array(32).fill(offset % 251),
      txid,
    })
    const levels = Array.from({ length: 32 }, (_, level) =>
      level === 0
        ? [node(2 ** 32 - 2, false), node(2 ** 32 - 1, true)]
        : [node(2 ** (32 - level) - 2, false)],
    )
    const read = orThrow(readBump(writeBump({ height: 2 ** 32 - 1, levels })))
    expect(read.levels).toEqual(levels)
  })

  test('made of 2,000 noisy bytes is read or refused, and never throws', () => {
    const noisy = fc
      .tuple(fc.nat(bytes.length - 4), fc.uint8Array({ minLength: 1, maxLength: 4 }))
      .map(([at, noise]) => {
        const copy = bytes.slice()
        copy.set(noise, at)
        return copy
      })
    fc.assert(
      fc.property(fc.oneof(noisy, fc.uint8Array({ maxLength: 150 })), any => {
        const read = readBump(any)
        if (read.ok) expect(toHex(writeBump(read.value))).toBe(toHex(any))
        else expect(read.fault.code).toBe('transaction-invalid')
      }),
      { numRuns: 2000 },
    )
  })
})

/** The path of one transaction of a block, which the SDK checks as it takes it. */
function blockPath(txids: readonly string[], index: number, height = 7): MerklePath {
  const levels: MerklePath['path'] = []
  let hashes = [...txids]
  for (let at = index; hashes.length > 1; at >>= 1) {
    const hash = hashes[at ^ 1]
    const neighbour = { offset: at ^ 1, ...(hash === undefined ? { duplicate: true } : { hash }) }
    const own = levels.length === 0 ? [{ offset: at, hash: hashes[at] ?? '', txid: true }] : []
    levels.push([...own, neighbour].sort((a, b) => a.offset - b.offset))
    hashes = Array.from({ length: Math.ceil(hashes.length / 2) }, (_, i) =>
      parentHash(hashes[2 * i] ?? '', hashes[2 * i + 1] ?? hashes[2 * i] ?? ''),
    )
  }
  if (levels.length === 0) levels.push([{ offset: 0, hash: txids[0] ?? '', txid: true }])
  return new MerklePath(height, levels)
}

function parentHash(left: string, right: string): string {
  const inHashOrder = (hash: string) => Uint8Array.from(Buffer.from(hash, 'hex')).reverse()
  return toHex(sha256(sha256(concat(inHashOrder(left), inHashOrder(right)))).reverse())
}
