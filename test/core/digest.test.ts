import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toHex } from '../../src/core/bytes.ts'
import { digest, digestHex } from '../../src/core/digest.ts'

/** The rule as it is written down: u8 len(tag) ‖ tag ‖ (u32be len(field) ‖ field)*. */
function byTheRule(tag: string, ...fields: readonly (Uint8Array | string)[]): string {
  const parts = [Buffer.of(tag.length), Buffer.from(tag, 'ascii')]
  for (const field of fields) {
    const bytes = Buffer.from(field)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    parts.push(length, bytes)
  }
  return createHash('sha256').update(Buffer.concat(parts)).digest('hex')
}

const field = fc.oneof(fc.uint8Array({ maxLength: 80 }), fc.string({ unit: 'binary', maxLength: 80 }))

describe('a tagged digest', () => {
  test('is the hash of its written-out preimage', () => {
    // 0e 'assay:packet:1' 00000002 'ab' 00000000, typed by hand and hashed by sha256sum.
    const typed = Buffer.from('0e61737361793a7061636b65743a3100000002616200000000', 'hex')
    const hashed = 'd06877bcbf3e7a79c4177aa508bb62c24aeaa9a4f5d23ef35ebd7cc12514cace'
    expect(createHash('sha256').update(typed).digest('hex')).toBe(hashed)
    expect(digestHex('assay:packet:1', 'ab', '')).toBe(hashed)
  })

  test('follows the rule for any fields, in hex as in bytes', () => {
    fc.assert(
      fc.property(fc.array(field, { maxLength: 6 }), fields => {
        expect(digestHex('assay:test:1', ...fields)).toBe(byTheRule('assay:test:1', ...fields))
        expect(toHex(digest('assay:test:1', ...fields))).toBe(byTheRule('assay:test:1', ...fields))
      }),
      { numRuns: 2_000 },
    )
  })

  test('takes a string for its UTF-8 bytes', () => {
    const text = 'Zürich 東京 😀'
    expect(digestHex('assay:test:1', text)).toBe(digestHex('assay:test:1', new TextEncoder().encode(text)))
    expect(digestHex('assay:test:1', text, text)).toBe(byTheRule('assay:test:1', text, text))
  })

  test.each([65_504, 65_505, 65_506, 65_536, 1_000_000])('holds for a field of %i bytes', length => {
    const bytes = new Uint8Array(length).fill(7)
    expect(digestHex('assay:test:1', 'a', bytes, 'z')).toBe(byTheRule('assay:test:1', 'a', bytes, 'z'))
    const text = 'é'.repeat(length >> 1)
    expect(digestHex('assay:test:1', text, bytes)).toBe(byTheRule('assay:test:1', text, bytes))
  })

  test('is not disturbed by one that was made before it, longer or shorter', () => {
    const fields = [['long '.repeat(500)], ['x'], [new Uint8Array(300_000)], [], ['x', 'y']]
    const first = fields.map(list => digest('assay:test:1', ...list))
    const again = fields.map(list => digest('assay:test:1', ...list))
    expect(again).toEqual(first)
    expect(first.map(toHex)).toEqual(fields.map(list => byTheRule('assay:test:1', ...list)))
  })

  test('changes when bytes move across the border between two fields', () => {
    const moved = fc
      .tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(), fc.nat())
      .map(([bytes, a, b]) => [bytes, a % (bytes.length + 1), b % (bytes.length + 1)] as const)
      .filter(([, a, b]) => a !== b)
    fc.assert(
      fc.property(moved, ([bytes, a, b]) => {
        const cut = (at: number) => digestHex('assay:test:1', bytes.subarray(0, at), bytes.subarray(at))
        expect(cut(a)).not.toBe(cut(b))
      }),
      { numRuns: 1_000 },
    )
  })

  test('changes when a field is empty rather than absent, and when the order changes', () => {
    expect(digestHex('assay:test:1')).not.toBe(digestHex('assay:test:1', ''))
    expect(digestHex('assay:test:1', 'a', '')).not.toBe(digestHex('assay:test:1', '', 'a'))
  })

  test('is another one under another tag or version, also where tag and field could be confused', () => {
    const all = [
      digestHex('assay:test:1', 'a'),
      digestHex('assay:test:2', 'a'),
      digestHex('assay:tess:1', 'a'),
      digestHex('assay:test:11', 'a'),
      digestHex('assay:test:1', '1a'),
    ]
    expect(new Set(all).size).toBe(all.length)
  })
})
