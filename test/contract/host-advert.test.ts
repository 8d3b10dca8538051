import { LockingScript, OverlayAdminTokenTemplate, PrivateKey, ProtoWallet } from '@bsv/sdk'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readHostAddress } from '../../src/contract/host-address.ts'
import {
  type HostAdvertKind,
  hostAdvertKindOf,
  hostAdvertKinds,
  hostAdvertScript,
  hostAdvertSpendingKey,
  readHostAdvert,
} from '../../src/contract/host-advert.ts'
import { readLock, tokenLock } from '../../src/contract/script.ts'
import { judgeSpend, signTransaction } from '../../src/contract/spend.ts'
import { concat, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { output, party, payTo } from '../support/pipeline.ts'
import { hostProtocols, stockHostAdvert, stockLinked } from '../support/stock-adverts.ts'

const owner = party('host')
const stranger = party('stranger')
const names: Record<HostAdvertKind, string> = { SHIP: 'tm_gitdata_agents', SLAP: 'ls_gitdata_agents' }
const domain = 'https://node.example'
const script = hostAdvertScript('SHIP', owner, domain, names.SHIP)

const label = fc.string({ unit: fc.constantFrom(...'abcz09-'), minLength: 1, maxLength: 12 })
const anyDomain = fc
  .tuple(
    fc.constantFrom('https', 'https+bsvauth', 'wss', 'http'),
    label,
    fc.option(fc.integer({ min: 1, max: 65_535 })),
  )
  .map(([scheme, host, port]) => `${scheme}://a${host}b.example${port === null ? '' : `:${port}`}`)
const anySegments = fc.string({ unit: fc.constantFrom(...'abz_'), minLength: 1, maxLength: 40 })
const draw = fc.record({
  kind: fc.constantFrom(...hostAdvertKinds),
  domain: anyDomain,
  segments: anySegments.filter(text => /^[a-z]+(?:_[a-z]+)*$/.test(text)),
  who: fc.constantFrom('a', 'b', 'c', 'd').map(party),
})

describe('an advert of a host', () => {
  test('is byte for byte the stock wallet’s, and says what it was given to say', async () => {
    for (const { kind, domain, segments, who } of fc.sample(draw, { numRuns: 60, seed: 1 })) {
      const name = `${kind === 'SHIP' ? 'tm_' : 'ls_'}${segments}`
      const ours = hostAdvertScript(kind, who, domain, name)
      expect(toHex(ours)).toBe(toHex(await stockHostAdvert(who, { kind, domain, name })))
      expect(readHostAdvert(ours)).toEqual({
        ok: true,
        value: { kind, identityKey: who.identityKey, domain, name },
      })
      expect(hostAdvertKindOf(ours)).toBe(kind)
      const decoded = OverlayAdminTokenTemplate.decode(LockingScript.fromBinary([...ours]))
      expect(decoded).toEqual({ protocol: kind, identityKey: who.identityKey, domain, topicOrService: name })
    }
  })

  test('is spent by its owner’s key, and by no other', () => {
    for (const kind of hostAdvertKinds) {
      const spent = output(hostAdvertScript(kind, owner, domain, names[kind]))
      const spendBy = (privateKey: Uint8Array) =>
        signTransaction([{ txid: '11'.repeat(32), vout: 0, spent, privateKey }], [payTo(owner, 1)])
      const verdict = (privateKey: Uint8Array) => judgeSpend(spendBy(privateKey), 0, spent)
      expect(verdict(hostAdvertSpendingKey(kind, owner.privateKey))).toBe('satisfied')
      expect(verdict(hostAdvertSpendingKey(kind, stranger.privateKey))).toBe('unsatisfied')
      expect(verdict(owner.privateKey)).toBe('unsatisfied')
    }
  })

  test('is not written with a domain or name that nobody would admit', () => {
    expect(() => hostAdvertScript('SHIP', owner, 'https://node.example/path', names.SHIP)).toThrow(/domain/)
    expect(() => hostAdvertScript('SHIP', owner, domain, names.SLAP)).toThrow(/tm_/)
    expect(() => hostAdvertScript('SLAP', owner, domain, 'ls_two__underscores')).toThrow(/overlay name/)
  })

  test('is refused where it is signed or locked by other rules than for anyone to see', async () => {
    const fields = { kind: 'SHIP' as const, domain, name: names.SHIP }
    expect(readHostAdvert(await stockHostAdvert(owner, fields))).toMatchObject({ ok: true })
    for (const locked of [
      { forSelf: false },
      { counterparty: 'self' },
      { counterparty: stranger.identityKey },
      { protocol: hostProtocols.SLAP },
    ])
      expect(readHostAdvert(await stockHostAdvert(owner, fields, locked))).toMatchObject({ ok: false })
    const forged = await stockHostAdvert(stranger, { ...fields, identityKey: owner.identityKey })
    expect(readHostAdvert(forged)).toMatchObject({ ok: false })
  })

  test('is refused as the SDK’s own template writes it, which signs for nobody else to see', async () => {
    const wallet = new ProtoWallet(new PrivateKey([...owner.privateKey]))
    const template = new OverlayAdminTokenTemplate(
      wallet as unknown as ConstructorParameters<typeof OverlayAdminTokenTemplate>[0],
    )
    const theirs = await template.lock('SHIP', domain, names.SHIP)
    expect(readHostAdvert(Uint8Array.from(theirs.toBinary()))).toMatchObject({ ok: false })
  })

  test('is refused with any one bit of it changed', () => {
    for (let bit = 0; bit < 8 * script.length; bit++) {
      const changed = script.slice()
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect([bit, readHostAdvert(changed).ok]).toEqual([bit, false])
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
        expect(readHostAdvert(changed).ok).toBe(false)
      }),
      { numRuns: 500 },
    )
  })

  test('is refused where bytes move between its domain and its name under the same signature', () => {
    const moving = hostAdvertScript('SHIP', owner, domain, 'tm_one_tm_two')
    const { key, fields } = tokenIn(moving)
    const text = `${domain}tm_one_tm_two`
    for (let end = 2; end < text.length - 1; end++) {
      const moved = tokenLock(key, fields.with(2, utf8(text.slice(0, end))).with(3, utf8(text.slice(end))))
      expect(readHostAdvert(moved).ok).toBe(end === domain.length)
    }
  })

  test('never holds where the stock wallet says that it does not, for 150 random scripts', async () => {
    const { key, fields } = tokenIn(script)
    const change = fc.tuple(fc.nat(4), fc.uint8Array({ minLength: 2, maxLength: 80 }))
    for (const [at, other] of fc.sample(change, { numRuns: 150, seed: 3 })) {
      const changed = tokenLock(key, fields.with(at, other))
      const theirs = await stockLinked(LockingScript.fromBinary([...changed]), 1, hostProtocols.SHIP)
      if (readHostAdvert(changed).ok) expect(theirs).toBe(true)
    }
  })

  test('is not looked for in what is something else', () => {
    for (const other of [new Uint8Array(), utf8('SHIP'), payTo(owner, 1).script])
      expect([hostAdvertKindOf(other), readHostAdvert(other).ok]).toEqual([undefined, false])
  })
})

describe('the domain of an advert', () => {
  const good: [string, string][] = [
    ['https://node.example', 'https://node.example'],
    ['https://Node.Example:443/', 'https://node.example'],
    ['https://node.example:8443', 'https://node.example:8443'],
    ['https://node.example./', 'https://node.example'],
    ['https://node.example.:8443', 'https://node.example:8443'],
    ['https://203.0.113.7', 'https://203.0.113.7'],
    ['https://172.32.0.1', 'https://172.32.0.1'],
    ['https://10.example', 'https://10.example'],
    ['https://fd00.example', 'https://fd00.example'],
    ['https://[2001:db8::1]:8080', 'https://[2001:db8::1]:8080'],
    ['https+bsvauth://node.example', 'https+bsvauth://node.example'],
    ['https+bsvauth+smf://node.example', 'https+bsvauth+smf://node.example'],
    ['https+bsvauth+scrypt-offchain://node.example', 'https+bsvauth+scrypt-offchain://node.example'],
    ['https+rtt://node.example', 'https+rtt://node.example'],
    ['wss://node.example', 'wss://node.example'],
    [
      'js8c+bsvauth+smf:?lat=40&long=130&freq=40meters&radius=1000miles',
      'js8c+bsvauth+smf:?lat=40&long=130&freq=40meters&radius=1000miles',
    ],
  ]
  test.each(good)('may be %s', (domain, base) => {
    expect(readHostAddress(domain)).toEqual({ base, isLocal: false })
  })

  test.each([
    'http://node.example',
    'ws://node.example',
    'https://localhost',
    'https://localhost.:8080',
    'https://LOCALHOST',
    'https://node.localhost',
    'https://127.0.0.1:8080',
    'https://127.1',
    'https://2130706433',
    'https://0x7f000001',
    'https://0.0.0.0',
    'https://[::1]',
    'https://[::]',
    'https://[::ffff:127.0.0.1]',
    'https://[::ffff:a00:1]',
    'https://10.0.0.1',
    'https://172.31.255.255',
    'https://192.168.0.1',
    'https://169.254.169.254',
    'https://100.64.0.1',
    'https://[fd00::1]',
    'https://[fe80::1]',
    'wss://localhost',
  ])('is nobody else’s to reach at %s', domain => {
    expect(readHostAddress(domain)).toMatchObject({ isLocal: true })
  })

  test.each([
    '',
    'node.example',
    'https://',
    'https:///node.example',
    'https:\\\\node.example',
    'https://node.example/path',
    'https://node.example//',
    'https://.',
    'https://node.example?x',
    'https://node.example#x',
    'https://user@node.example',
    'https://user:secret@node.example',
    'https://node_1.example',
    'https://node.example:99999',
    ' https://node.example',
    'https://node.example\n',
    'https://no de.example',
    'https://nöde.example',
    'HTTPS://node.example',
    'ftp://node.example',
    'javascript:alert(1)',
    'file:///etc/passwd',
    `https://${'a'.repeat(250)}.example`,
    'js8c+bsvauth+smf:',
    'js8c+bsvauth+smf:?lat=91&long=1&freq=1&radius=1',
    'js8c+bsvauth+smf:?lat=1&long=1&freq=-7&radius=1',
    'js8c+bsvauth+smf:?lat=1&long=1&freq=7',
  ])('may not be %j', domain => {
    expect(readHostAddress(domain)).toBeUndefined()
  })

  test('is read without a throw, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.webUrl(),
          fc.string().map(text => `https://${text}`),
        ),
        text => {
          const address = readHostAddress(text)
          // Read again, the one spelling is its own.
          if (address !== undefined) expect(readHostAddress(address.base)).toEqual(address)
        },
      ),
      { numRuns: 2000 },
    )
  })
})

function tokenIn(script: Uint8Array) {
  const lock = readLock(script)
  if (lock?.kind !== 'token') throw new Error('not an advert')
  expect(fromUtf8(lock.fields[0] ?? new Uint8Array())).toBe(orThrow(readHostAdvert(script)).kind)
  return { key: lock.key, fields: [...lock.fields] }
}
