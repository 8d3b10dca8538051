import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { concat, knownHex, toHex, u32be } from '../../../src/core/bytes.ts'
import { digestHex } from '../../../src/core/digest.ts'
import { includes, leafHash } from '../../../src/core/merkle.ts'
import { pathInRound, rootOver, roundId } from '../../../src/core/rounds/round.ts'
import { idOf } from './packets.ts'

const ids = ['a0', 'a1', 'b0'].map(idOf)

function sha(...parts: Uint8Array[]): Uint8Array {
  return createHash('sha256')
    .update(concat(...parts))
    .digest()
}

describe('a roundId', () => {
  test('commits to the try, the count, and the tree over the packetIds as leaves', () => {
    const [a, b, c] = ids.map(id => sha(Uint8Array.of(0), knownHex(id)))
    if (a === undefined || b === undefined || c === undefined) throw new Error('three packets')
    const root = sha(Uint8Array.of(1), sha(Uint8Array.of(1), a, b), c)
    expect(rootOver(ids)).toBe(toHex(root))
    expect(roundId(2, ids)).toBe(digestHex('assay:round:1', u32be(2), u32be(3), root))
  })

  test('changes with the try, with a packet and with their order', () => {
    const others = [roundId(1, ids), roundId(2, ids), roundId(1, ids.slice(1)), roundId(1, ids.toReversed())]
    expect(new Set(others).size).toBe(4)
  })

  test('holds each packet by its path', () => {
    for (const [i, id] of ids.entries()) {
      const path = pathInRound(ids, i).map(knownHex)
      expect(includes(knownHex(rootOver(ids)), leafHash(knownHex(id)), i, ids.length, path)).toBe(true)
      expect(includes(knownHex(rootOver(ids)), leafHash(knownHex(idOf('z9'))), i, ids.length, path)).toBe(
        false,
      )
    }
  })
})
