import { describe, expect, test } from 'vitest'
import { headerChain, readHeadersFile } from '../../src/contract/headers.ts'
import { concat, knownHex, toHex } from '../../src/core/bytes.ts'

// The first three blocks of the public chain.
const genesis =
  '0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c'
const first =
  '010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000982051fd1e4ba744bbbe680e1fee14677ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e36299'
const second =
  '010000004860eb18bf1b1620e37e9490fc8a427514416fd75159ab86688e9a8300000000d5fdcc541e25de1c7a5addedf24858b8bb665c9f36ef744ee42c316022c90f9bb0bc6649ffff001d08d2bd61'

describe('a chain of headers', () => {
  test('of the public network is accepted and knows its roots', () => {
    const read = readHeadersFile(
      JSON.stringify({ network: 'mainnet', firstHeight: 0, headers: genesis + first + second }),
    )
    if (!read.ok) throw new Error(read.fault.detail)
    expect([read.value.firstHeight, read.value.tipHeight]).toEqual([0, 2])
    expect(toHex(read.value.rootAt(1) ?? new Uint8Array())).toBe(first.slice(72, 136))
    expect(read.value.rootAt(3)).toBeUndefined()
    expect(read.value.rootAt(-1)).toBeUndefined()
    expect(read.value.rootAt(0.5)).toBeUndefined()
  })

  test('is refused where a header is missing', () => {
    expect(headerChain(knownHex(genesis + second), 0, 'mainnet')).toMatchObject({
      ok: false,
      fault: { code: 'headers-invalid', detail: expect.stringContaining('height 1') },
    })
  })

  test('is refused for any flipped bit: either the work or the link is gone', () => {
    const chain = knownHex(genesis + first)
    for (let bit = 0; bit < chain.length * 8; bit++) {
      const flipped = concat(chain)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(headerChain(flipped, 0, 'mainnet').ok, `bit ${bit}`).toBe(false)
    }
  })

  test.each(['ffff7f22', 'ffff0022', '00000121', '00010022'])(
    'is refused where a header claims a target beyond every hash: %s',
    bits => {
      const header = knownHex(`${'07'.repeat(72)}${bits}${'07'.repeat(4)}`)
      expect(headerChain(header, 0, 'mainnet')).toMatchObject({
        fault: { code: 'headers-invalid', detail: expect.stringMatching(/work/) },
      })
    },
  )

  test.each([
    ['nothing', ''],
    ['half a header', genesis.slice(80)],
  ])('is refused when it holds %s', (_, hex) => {
    expect(headerChain(knownHex(hex), 0, 'mainnet')).toMatchObject({
      ok: false,
      fault: { code: 'headers-invalid' },
    })
  })

  test.each([
    ['{}', '/network'],
    ['{"network":"mainnet","firstHeight":-1,"headers":""}', '/firstHeight'],
    [`{"network":"mainnet","firstHeight":0,"headers":"${genesis.toUpperCase()}"}`, '/headers'],
  ])('in an unsound file is refused with a pointer: %s', (text, pointer) => {
    expect(readHeadersFile(text)).toMatchObject({ ok: false, fault: { code: 'headers-invalid', pointer } })
  })
})
