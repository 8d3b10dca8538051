import { LockingScript } from '@bsv/sdk'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { knownHex, toHex } from '../../../src/core/bytes.ts'
import { ANCHOR_PARENTS_MAX, anchorScript, readAnchor } from '../../../src/core/certificate/anchor.ts'

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex)
const a = 'aa'.repeat(32)
const b = 'bb'.repeat(32)

describe('a DLM1 anchor', () => {
  test('without parents is the 45-byte script that other builders write', () => {
    expect(toHex(anchorScript({ manifestHash: a, parents: [] }))).toBe(`006a2a444c4d31a1626d685820${a}`)
  })

  test('writes mh before p, although a canonical CBOR writer would not', () => {
    expect(toHex(anchorScript({ manifestHash: a, parents: [b] }))).toBe(
      `006a4c4f444c4d31a2626d685820${a}6170815820${b}`,
    )
  })

  test('comes back from its script, whatever it holds', () => {
    fc.assert(
      fc.property(hash, fc.array(hash, { maxLength: ANCHOR_PARENTS_MAX }), (manifestHash, parents) => {
        expect(readAnchor(anchorScript({ manifestHash, parents }))).toEqual({
          ok: true,
          value: { manifestHash, parents },
        })
      }),
      { numRuns: 200 },
    )
  })

  test('is a script of whole pushes to the SDK too', () => {
    const script = LockingScript.fromHex(toHex(anchorScript({ manifestHash: a, parents: Array(9).fill(b) })))
    expect(script.chunks.map(chunk => chunk.op).slice(0, 2)).toEqual([0, 0x6a])
  })

  test.each([
    ['two pushes', `006a04444c4d3126a1626d685820${a}`],
    ['no leading OP_FALSE', `6a2a444c4d31a1626d685820${a}`],
    ['both', `6a04444c4d3126a1626d685820${a}`],
  ])('is read from the other form in use: %s', (_, script) => {
    expect(readAnchor(knownHex(script))).toEqual({ ok: true, value: { manifestHash: a, parents: [] } })
  })

  test.each([
    ['nothing', ''],
    ['another tag', `006a2a444c4d32a1626d685820${a}`],
    ['an opcode after the data', `006a2a444c4d31a1626d685820${a}51`],
    ['a third push', `006a04444c4d3126a1626d685820${a}0101`],
    ['a push longer than it needs to be', `006a4c2a444c4d31a1626d685820${a}`],
    ['a cut push', `006a2a444c4d31a1626d685820${a.slice(2)}`],
    ['p before mh', `006a4c4f444c4d31a26170815820${b}626d685820${a}`],
    ['an empty p', `006a2d444c4d31a2626d685820${a}617080`],
    ['data inside and after the tag push', `006a2a444c4d31a1626d685820${a}0101`],
  ])('refuses %s', (_, script) => {
    expect(readAnchor(knownHex(script))).toMatchObject({ ok: false, fault: { code: 'anchor-invalid' } })
  })

  test('never takes a flipped bit for the same anchor', () => {
    const script = anchorScript({ manifestHash: a, parents: [b] })
    for (let bit = 0; bit < script.length * 8; bit++) {
      const flipped = script.slice()
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const read = readAnchor(flipped)
      if (read.ok) expect(read.value).not.toEqual({ manifestHash: a, parents: [b] })
    }
  })

  test('reads any bytes without throwing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        const read = readAnchor(bytes)
        return read.ok || read.fault.code === 'anchor-invalid'
      }),
      { numRuns: 2000 },
    )
  })
})
