import { createHash, createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toHex } from '../../src/core/bytes.ts'
import * as browser from '../../src/core/sha256.browser.ts'
import * as node from '../../src/core/sha256.node.ts'

const bytes = fc.uint8Array({ maxLength: 300 })
const text = fc.string({ unit: 'binary', maxLength: 100 })

describe('hashing in a browser', () => {
  test('offers exactly what hashing in Node offers', () => {
    expect(Object.keys(browser).sort()).toEqual(Object.keys(node).sort())
  })

  test('gives the same SHA-256 of bytes and of text', () => {
    fc.assert(
      fc.property(fc.oneof(bytes, text), data => {
        const expected = createHash('sha256').update(data).digest('hex')
        for (const { sha256, sha256Hex } of [node, browser]) {
          expect(sha256Hex(data)).toBe(expected)
          expect(toHex(sha256(data))).toBe(expected)
        }
      }),
    )
  })

  test('gives the same HMAC-SHA-256, also for keys longer than a block', () => {
    fc.assert(
      fc.property(bytes, bytes, (key, data) => {
        const expected = createHmac('sha256', key).update(data).digest('hex')
        expect(toHex(node.hmacSha256(key, data))).toBe(expected)
        expect(toHex(browser.hmacSha256(key, data))).toBe(expected)
      }),
    )
  })

  test('gives the same RIPEMD-160', () => {
    fc.assert(
      fc.property(bytes, data => {
        expect(browser.ripemd160(data)).toEqual(node.ripemd160(data))
      }),
    )
    const empty = '9c1185a5c5e9fc54612808977ee8f548b2258d31'
    expect(toHex(node.ripemd160(new Uint8Array(0)))).toBe(empty)
  })
})

describe.each([
  ['Node', node],
  ['a browser', browser],
])('in %s', (_, { indexOfByte, sha256Into, sha256, sha256OfParts, writeUtf8, readUtf8 }) => {
  test('parts are hashed as what they are together, in their order', () => {
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 5 }), parts => {
        expect(sha256OfParts(parts)).toEqual(sha256(Buffer.concat(parts)))
      }),
    )
  })

  test('a byte is found where it is next', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40, max: 3 }), fc.nat({ max: 50 }), (data, from) => {
        expect(indexOfByte(data, 2, from)).toBe([...data].findIndex((byte, at) => at >= from && byte === 2))
      }),
    )
  })

  test('a digest is written where it was asked for and nowhere else', () => {
    fc.assert(
      fc.property(bytes, fc.nat({ max: 64 }), (data, offset) => {
        const target = new Uint8Array(128).fill(0xaa)
        sha256Into(data, target, offset)
        expect(target.slice(offset, offset + 32)).toEqual(sha256(data))
        expect(target.slice(0, offset).every(byte => byte === 0xaa)).toBe(true)
        expect(target.slice(offset + 32).every(byte => byte === 0xaa)).toBe(true)
      }),
    )
  })

  test('a digest is a plain Uint8Array', () => {
    expect(Object.getPrototypeOf(sha256(''))).toBe(Uint8Array.prototype)
  })

  test('text is written in UTF-8, also into part of a buffer, and read back', () => {
    fc.assert(
      fc.property(text, fc.nat({ max: 20 }), (value, offset) => {
        const encoded = new TextEncoder().encode(value)
        const room = new Uint8Array(600).subarray(7)
        expect(writeUtf8(value, room, offset)).toBe(encoded.length)
        const written = room.subarray(offset, offset + encoded.length)
        expect(new Uint8Array(written)).toEqual(encoded)
        expect(room.slice(offset + encoded.length).every(byte => byte === 0)).toBe(true)
        expect(readUtf8(written)).toBe(value)
      }),
    )
    expect(readUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe('\ufeffa')
  })
})
