import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  compareBytes,
  concat,
  fromHex,
  fromUtf8,
  knownHex,
  sameBytes,
  toHex,
  u32be,
  u64be,
  utf8,
} from '../../src/core/bytes.ts'
import { clearUpMemory } from '../support/clear-up-memory.ts'

const bytes = fc.uint8Array({ maxLength: 40 })

describe('hex', () => {
  test('goes there and back for any bytes, as Node writes it', () => {
    fc.assert(
      fc.property(bytes, value => {
        expect(toHex(value)).toBe(Buffer.from(value).toString('hex'))
        expect(fromHex(toHex(value))).toEqual(value)
      }),
    )
  })

  test.each(['0', 'AB', '0x00', ' 00', '00\n', 'zz', '0g', '٠٠'])(
    'has one spelling, which is not %j',
    text => {
      expect(fromHex(text)).toBeUndefined()
      expect(() => knownHex(text)).toThrow('is not lower-case hex of even length')
    },
  )

  test('takes as much memory as it has digits, however long it is kept', async () => {
    await clearUpMemory()
    const before = process.memoryUsage().heapUsed
    const kept = Array.from({ length: 20_000 }, (_, i) => toHex(new Uint8Array(32).fill(i)))
    await clearUpMemory()
    const each = (process.memoryUsage().heapUsed - before) / kept.length
    expect(each).toBeGreaterThan(0)
    expect(each).toBeLessThan(300)
  })

  test('that was checked before comes as bytes', () => {
    expect(knownHex('00ff')).toEqual(Uint8Array.of(0, 255))
  })
})

describe('UTF-8', () => {
  test('goes there and back for any well-formed text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        expect(utf8(text)).toEqual(new Uint8Array(Buffer.from(text, 'utf8')))
        expect(fromUtf8(utf8(text))).toBe(text)
      }),
    )
  })

  test('keeps a byte order mark as part of the text', () => {
    expect(fromUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe('\ufeffa')
  })

  test.each(['80', 'c080', 'eda080', 'f4908080', 'e282', 'ff'])('is not found in the bytes %s', hex => {
    expect(fromUtf8(knownHex(hex))).toBeUndefined()
  })
})

describe('bytes', () => {
  test('are joined in order', () => {
    fc.assert(
      fc.property(fc.array(bytes), parts => {
        expect(concat(...parts)).toEqual(new Uint8Array(Buffer.concat(parts)))
      }),
    )
  })

  test('compare as Node compares them, shorter first on a tie', () => {
    const near = fc.uint8Array({ maxLength: 4, max: 2 })
    fc.assert(
      fc.property(near, near, (a, b) => {
        expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b))
        expect(sameBytes(a, b)).toBe(Buffer.compare(a, b) === 0)
      }),
      { numRuns: 500 },
    )
    expect(compareBytes(Uint8Array.of(0x7f), Uint8Array.of(0x80))).toBeLessThan(0)
  })
})

describe('big-endian numbers', () => {
  test('of 32 and 64 bits are as Node writes them', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 32 - 1 }), fc.maxSafeNat(), (small, large) => {
        const four = Buffer.alloc(4)
        four.writeUInt32BE(small)
        const eight = Buffer.alloc(8)
        eight.writeBigUInt64BE(BigInt(large))
        expect(u32be(small)).toEqual(new Uint8Array(four))
        expect(u64be(large)).toEqual(new Uint8Array(eight))
      }),
    )
  })

  test.each([
    [0, '0000000000000000'],
    [2 ** 32 - 1, '00000000ffffffff'],
    [2 ** 32, '0000000100000000'],
    [Number.MAX_SAFE_INTEGER, '001fffffffffffff'],
  ])('hold at the border %i', (value, hex) => {
    expect(toHex(u64be(value))).toBe(hex)
  })
})
