import { LockingScript, StorageUtils } from '@bsv/sdk'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { spendHolds } from '../../src/adapters/bsv/judge-spend.ts'
import { pushDropScript, readPushDrop } from '../../src/contract/push-drop.ts'
import { signTransaction } from '../../src/contract/spend.ts'
import { varInt } from '../../src/contract/transaction.ts'
import {
  meansUhrpAdvert,
  readUhrpAdvert,
  UHRP_LOCATION_CHARS_MAX,
  uhrpAdvertScript,
  uhrpAdvertSpendingKey,
} from '../../src/contract/uhrp-advert.ts'
import { hashInUhrpUrl, uhrpUrlOf } from '../../src/contract/uhrp-url.ts'
import { concat, knownHex, toHex, utf8 } from '../../src/core/bytes.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import { output, party, payTo } from '../support/pipeline.ts'
import {
  hostProtocols,
  stockLinked,
  stockPushDrop,
  stockUhrpAdvert,
  uhrpProtocol,
} from '../support/stock-adverts.ts'

const host = party('host')
const stranger = party('stranger')
const advert = {
  hash: sha256Hex('content'),
  url: 'https://files.example/content',
  expirySeconds: 2_000_000_000,
  size: 12_345,
}
const script = uhrpAdvertScript(host, advert)

/** Every length that a number is written in, and every one-byte number with an opcode of its own. */
const sizes = [
  1,
  2,
  15,
  16,
  17,
  0x80,
  0x81,
  0xfc,
  0xfd,
  0xffff,
  0x1_0000,
  0xffff_ffff,
  0x1_0000_0000,
  2 ** 52,
]

describe('an advert of content', () => {
  test('is byte for byte the stock wallet’s, whatever opcode its numbers need', async () => {
    const times = [0x1_0000, 2_000_000_000, 0xffff_ffff, 0x1_0000_0000]
    const urls = [
      'https://f.example/',
      `https://f.example/${'a'.repeat(60)}`,
      `https://f.example/${'b'.repeat(400)}`,
    ]
    for (const [i, size] of sizes.entries()) {
      const said = {
        hash: sha256Hex(`content ${i}`),
        url: urls[i % urls.length] ?? '',
        expirySeconds: times[i % times.length] ?? 0,
        size,
      }
      const ours = uhrpAdvertScript(host, said)
      expect(toHex(ours)).toBe(toHex(await stockUhrpAdvert(host, said)))
      expect(readUhrpAdvert(ours)).toEqual({
        ok: true,
        value: { hostIdentityKey: host.identityKey, ...said },
      })
      expect(meansUhrpAdvert(ours)).toBe(true)
    }
  })

  test('is spent by its host’s key, and by no other', () => {
    const spent = output(script)
    const holds = (privateKey: Uint8Array) =>
      spendHolds(
        signTransaction([{ txid: '11'.repeat(32), vout: 0, spent, privateKey }], [payTo(host, 1)]),
        0,
        spent,
      )
    expect(holds(uhrpAdvertSpendingKey(host.privateKey))).toBe(true)
    expect(holds(uhrpAdvertSpendingKey(stranger.privateKey))).toBe(false)
  })

  const bad: [string, Partial<typeof advert>][] = [
    ['no bytes', { size: 0 }],
    ['a time on the first day of 1970', { expirySeconds: 0xffff }],
    ['a URL that is no URL', { url: 'files.example' }],
    ['a URL of another scheme', { url: 'ftp://files.example/content' }],
    ['a URL with a user', { url: 'https://user@files.example/content' }],
    ['a URL with a space', { url: 'https://files.example/con tent' }],
    ['a URL with a letter outside ASCII', { url: 'https://files.example/ö' }],
    ['a URL that is too long', { url: `https://files.example/${'a'.repeat(UHRP_LOCATION_CHARS_MAX)}` }],
  ]
  test.each(bad)('is neither written nor read with %s', async (_, change) => {
    expect(() => uhrpAdvertScript(host, { ...advert, ...change })).toThrow()
    expect(readUhrpAdvert(await stockUhrpAdvert(host, { ...advert, ...change }))).toMatchObject({ ok: false })
  })

  test('is refused where it is signed or locked by other rules than for anyone to see', async () => {
    expect(readUhrpAdvert(await stockUhrpAdvert(host, advert))).toMatchObject({ ok: true })
    for (const locked of [
      { forSelf: false },
      { counterparty: 'self' },
      { counterparty: stranger.identityKey },
      { protocol: hostProtocols.SHIP },
    ])
      expect(readUhrpAdvert(await stockUhrpAdvert(host, advert, locked))).toMatchObject({ ok: false })
    const forged = await stockUhrpAdvert(stranger, { ...advert, identityKey: host.identityKey })
    expect(readUhrpAdvert(forged)).toMatchObject({ ok: false })
  })

  test('is refused with fewer or more fields, though they are signed as they should be', async () => {
    const fields = [
      knownHex(host.identityKey),
      knownHex(advert.hash),
      utf8(advert.url),
      varInt(advert.expirySeconds),
      varInt(advert.size),
    ].map(field => [...field])
    expect(readUhrpAdvert(await stockPushDrop(host, fields.map(copy), {}))).toMatchObject({ ok: true })
    for (const other of [fields.slice(0, 4), [...fields, [1]], [...fields, ...fields]])
      expect(readUhrpAdvert(await stockPushDrop(host, other.map(copy), {}))).toMatchObject({ ok: false })
  })

  test('is refused with any one bit of it changed', () => {
    for (let bit = 0; bit < 8 * script.length; bit++) {
      const changed = script.slice()
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect([bit, readUhrpAdvert(changed).ok]).toEqual([bit, false])
    }
  })

  test('is refused with bytes cut off, put in or put behind it, 500 times', () => {
    const change = fc.oneof(
      fc.nat(script.length - 1).map(length => script.slice(0, length)),
      fc
        .tuple(fc.nat(script.length), fc.uint8Array({ minLength: 1, maxLength: 4 }))
        .map(([at, more]) => concat(script.slice(0, at), more, script.slice(at))),
    )
    fc.assert(
      fc.property(change, changed => {
        expect(readUhrpAdvert(changed).ok).toBe(false)
      }),
      { numRuns: 500 },
    )
  })

  test('is refused where bytes move between its fields under the same signature', () => {
    const { key, fields } = readPushDrop(script, 6) ?? { key: new Uint8Array(), fields: [] }
    const [identity = key, hash = key, url = key, expiry = key, size = key, signature = key] = fields
    const text = concat(url, expiry, size)
    let readable = 0
    for (let first = 1; first < text.length - 1; first++)
      for (let second = first + 1; second < text.length; second++) {
        const parts = [text.slice(0, first), text.slice(first, second), text.slice(second)]
        if (parts.some(part => part.length === 1 && part[0] === 0)) continue
        const read = readUhrpAdvert(pushDropScript(key, [identity, hash, ...parts, signature]))
        if (read.ok) readable++
      }
    expect(readable).toBe(1)
  })

  test('never holds where the stock wallet says that it does not, for 100 random scripts', async () => {
    const { key, fields } = readPushDrop(script, 6) ?? { key: new Uint8Array(), fields: [] }
    const change = fc.tuple(fc.nat(5), fc.uint8Array({ minLength: 2, maxLength: 80 }))
    for (const [at, other] of fc.sample(change, { numRuns: 100, seed: 4 })) {
      const changed = pushDropScript(key, fields.with(at, other))
      const theirs = await stockLinked(LockingScript.fromBinary([...changed]), 0, uhrpProtocol)
      if (readUhrpAdvert(changed).ok) expect(theirs).toBe(true)
    }
  })

  test('is read without running out of anything, however long or full the script is', () => {
    const head = script.slice(0, 35)
    for (const filling of [0x51, 0x00, 0x01, 0x4c, 0x6d])
      expect(readUhrpAdvert(concat(head, new Uint8Array(3_000_000).fill(filling)))).toMatchObject({
        ok: false,
      })
  })
})

describe('a script of pushes', () => {
  test('has one spelling: what is read is what is written, 500 times', () => {
    const key = host.publicKey
    const field = fc
      .oneof(
        fc.nat(255).map(byte => Uint8Array.of(byte)),
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
      )
      .filter(bytes => bytes.length > 1 || bytes[0] !== 0)
    fc.assert(
      fc.property(fc.array(field, { minLength: 1, maxLength: 9 }), fields => {
        const script = pushDropScript(key, fields)
        expect(readPushDrop(script, fields.length)).toEqual({ key, fields })
        expect(readPushDrop(script, fields.length + 1)).toBeUndefined()
        expect(readPushDrop(script, fields.length - 1)).toBeUndefined()
      }),
      { numRuns: 500 },
    )
  })

  test('does not hold a number in another form than its opcode', () => {
    const head = concat(Uint8Array.of(33), host.publicKey, Uint8Array.of(0xac))
    const one = (...push: number[]) => readPushDrop(concat(head, Uint8Array.of(...push, 0x75)), 1)?.fields
    expect(one(0x60)).toEqual([Uint8Array.of(16)])
    expect(one(0x01, 0x11)).toEqual([Uint8Array.of(17)])
    for (const other of [[0x01, 0x10], [0x01, 0x81], [0x00], [0x01, 0x00], [0x4c, 0x01, 0x11], [0x50]])
      expect(one(...other)).toBeUndefined()
  })

  test('is not written with what could be one of two', () => {
    for (const field of [new Uint8Array(), Uint8Array.of(0)])
      expect(() => pushDropScript(host.publicKey, [field])).toThrow(/alike/)
  })
})

describe('the URL of content', () => {
  test('is the SDK’s, and is read in each of its spellings', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), bytes => {
        const hash = toHex(bytes)
        const url = uhrpUrlOf(hash)
        expect(url).toBe(StorageUtils.getURLForHash([...bytes]))
        for (const spelling of [url, `uhrp:${url}`, `uhrp://${url}`, `UHRP://${url}`, `//${url}`])
          expect(hashInUhrpUrl(spelling)).toBe(hash)
      }),
      { numRuns: 200 },
    )
  })

  test('is not read where a letter is changed, left out or added, or where it is another kind of thing', () => {
    const url = uhrpUrlOf(advert.hash)
    const letters = [...url]
    for (const i of letters.keys()) {
      expect(hashInUhrpUrl(letters.with(i, letters[i] === '2' ? '3' : '2').join(''))).toBeUndefined()
      expect(hashInUhrpUrl(letters.toSpliced(i, 1).join(''))).toBeUndefined()
    }
    for (const other of [
      '',
      'uhrp://',
      `1${url}`,
      `${url}1`,
      '1BoatSLRHtKNngkdXEeobR76b53LETtpyT',
      '0OIl',
      'x'.repeat(1e6),
    ])
      expect(hashInUhrpUrl(other)).toBeUndefined()
  })
})

function copy(field: number[]): number[] {
  return [...field]
}
