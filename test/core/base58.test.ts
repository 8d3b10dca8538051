import { Utils } from '@bsv/sdk'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromBase58Check, toBase58Check } from '../../src/core/base58.ts'
import { toHex } from '../../src/core/bytes.ts'

describe('Base58Check', () => {
  test('is what the SDK makes of any bytes, and back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), bytes => {
        const text = toBase58Check(bytes)
        expect(text).toBe(Utils.toBase58Check([...bytes.subarray(1)], [...bytes.subarray(0, 1)]))
        expect(toHex(fromBase58Check(text, 64) ?? new Uint8Array())).toBe(toHex(bytes))
      }),
    )
  })
})
