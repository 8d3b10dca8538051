import { BigNumber, Signature } from '@bsv/sdk'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sign } from '../../src/contract/curve.node.ts'
import { decodeDer, decodeEitherS, encodeDer } from '../../src/contract/der.ts'
import { isHigh, isScalar, negated } from '../../src/contract/scalar.ts'
import { concat, toHex } from '../../src/core/bytes.ts'

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
// Leading zeros are where DER's shortest form has its corners.
const scalar = fc
  .tuple(bytes32, fc.integer({ min: 0, max: 31 }))
  .map(([bytes, zeros]) => bytes.map((byte, i) => (i < zeros ? 0 : byte)))
  .filter(isScalar)
const lowScalar = scalar.map(s => (isHigh(s) ? negated(s) : s))
const compact = fc.tuple(scalar, lowScalar).map(([r, s]) => concat(r, s))

const number = (bytes: Uint8Array) => new BigNumber([...bytes])
const sdkSignature = (bytes: Uint8Array) =>
  new Signature(number(bytes.subarray(0, 32)), number(bytes.subarray(32)))

describe('DER', () => {
  test('is what the SDK writes, and comes back as it was, for 3,000 signatures', () => {
    fc.assert(
      fc.property(compact, signature => {
        const der = encodeDer(signature)
        expect(toHex(der)).toBe(sdkSignature(signature).toDER('hex'))
        expect(decodeDer(der)).toEqual(signature)
      }),
      { numRuns: 3000 },
    )
  })

  test('of a real signature survives no flipped bit as the same signature', () => {
    fc.assert(
      fc.property(scalar, bytes32, fc.nat(), (key, hash, at) => {
        const der = encodeDer(sign(hash, key))
        const bit = at % (der.length * 8)
        const flipped = der.slice()
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        const read = decodeDer(flipped)
        // What still reads is another signature, with its own one spelling.
        if (read !== undefined) expect(toHex(encodeDer(read))).toBe(toHex(flipped))
      }),
      { numRuns: 1000 },
    )
  })

  test('with a high S reads only where either will do, as its low mirror', () => {
    fc.assert(
      fc.property(compact, signature => {
        const high = concat(signature.subarray(0, 32), negated(signature.subarray(32)))
        const der = Uint8Array.from(sdkSignature(high).toDER() as number[])
        expect(decodeDer(der)).toBeUndefined()
        expect(decodeEitherS(der)).toEqual(signature)
        expect(decodeEitherS(high)).toEqual(signature)
        expect(decodeEitherS(signature)).toEqual(signature)
      }),
      { numRuns: 500 },
    )
  })

  const der = encodeDer(sign(new Uint8Array(32).fill(1), new Uint8Array(32).fill(1)))
  const [rLength = 0] = der.subarray(3, 4)
  const malformed: [string, Uint8Array][] = [
    ['nothing', new Uint8Array(0)],
    ['a missing last byte', der.slice(0, -1)],
    ['a byte more', concat(der, Uint8Array.of(0))],
    ['a long-form length', concat(Uint8Array.of(0x30, 0x81), der.slice(1))],
    ['another tag', concat(Uint8Array.of(0x31), der.slice(1))],
    ['a padded r', concat(Uint8Array.of(0x30, der.length - 1, 2, rLength + 1, 0), der.slice(4))],
    ['an empty r', Uint8Array.of(0x30, 6, 2, 0, 2, 2, 1, 1)],
    ['a negative r', Uint8Array.of(0x30, 6, 2, 1, 0x80, 2, 1, 1)],
    ['a zero r', Uint8Array.of(0x30, 6, 2, 1, 0, 2, 1, 1)],
    ['a zero s', Uint8Array.of(0x30, 6, 2, 1, 1, 2, 1, 0)],
    [
      'an r of 34 bytes',
      concat(Uint8Array.of(0x30, 39, 2, 34, 1), new Uint8Array(33), Uint8Array.of(2, 1, 1)),
    ],
    [
      'an r beyond the order',
      concat(Uint8Array.of(0x30, 38, 2, 33, 0), new Uint8Array(32).fill(255), Uint8Array.of(2, 1, 1)),
    ],
  ]
  test.each(malformed)('with %s is refused', (_, bytes) => {
    expect(decodeDer(bytes)).toBeUndefined()
    expect(decodeEitherS(bytes)).toBeUndefined()
  })

  test('read from random bytes is refused or has one spelling', () => {
    const shaped = fc
      .tuple(fc.uint8Array({ minLength: 1, maxLength: 34 }), fc.uint8Array({ minLength: 1, maxLength: 34 }))
      .map(([r, s]) => Uint8Array.of(0x30, 4 + r.length + s.length, 2, r.length, ...r, 2, s.length, ...s))
    fc.assert(
      fc.property(fc.oneof(shaped, fc.uint8Array({ maxLength: 80 })), bytes => {
        const read = decodeDer(bytes)
        if (read !== undefined) expect(toHex(encodeDer(read))).toBe(toHex(bytes))
      }),
      { numRuns: 3000 },
    )
  })
})
