import { CompletedProtoWallet, LockingScript, PrivateKey, ProtoWallet, PushDrop } from '@bsv/sdk'
import { decode, encode } from 'cborg'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { publicKeyOf } from '../../src/contract/curve.node.ts'
import { DER_BYTES_MAX } from '../../src/contract/der.ts'
import { fuelHashOf } from '../../src/contract/fuel-hash.ts'
import { anyoneVerifyingKey, signDetached } from '../../src/contract/keys.ts'
import { signOperatorWord } from '../../src/contract/operator.ts'
import { readLock, tokenLock } from '../../src/contract/script.ts'
import { EVENTS_INLINE_BYTES_MAX } from '../../src/contract/token-bodies.ts'
import {
  agentSubject,
  readToken,
  spendingKey,
  type Token,
  type TokenTag,
  tagOf,
  tokenScript,
} from '../../src/contract/tokens.ts'
import { concat, knownHex, toHex, utf8 } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import { party } from '../support/pipeline.ts'
import {
  agents,
  certificateScripts,
  coordinator,
  deadlineMs,
  factsOf,
  jobTransaction,
  operatorFromMs,
  operators,
  operatorToMs,
  resultScript,
  roundId,
  seatScript,
  threadScript,
} from './made-up-round.ts'

const facts = factsOf('normalize', 'enhanced', [0, 3, 63])
const leaves = [0, 3, 63].map(member => sha256Hex(`leaf ${member}`))
const job = jobTransaction(facts, [])
const [agent] = agents
const [operator] = operators
const operatorSig = signOperatorWord(operator.privateKey, agent.identityKey, operatorFromMs, operatorToMs)
const advertBody = {
  capabilities: ['normalize', 'validate'],
  operator: operator.identityKey,
  operatorSig,
  operatorFromMs,
  operatorToMs,
  endpoints: ['https://agent.example'],
  packetsMax: 64,
  bytesMax: 1 << 24,
  satoshisPerThousandEvents: 0,
  region: 'eu-west',
  expiresMs: deadlineMs,
}
const batch = utf8('{"a":1}\n{"a":2}\n')
const eventsBody = { streamId: 'sensors.temperature', sourceId: 'lab-1', count: 2, bytes: batch }

const scripts: Record<string, Uint8Array> = {
  'seat GDJ1': seatScript(facts, 0),
  'thread GDJ1': threadScript(facts),
  GDR1: resultScript(facts, job, 0, leaves),
  GDC1: certificateScripts('enhanced', 3, sha256Hex('version'))[1] ?? new Uint8Array(),
  GDA1: tokenScript('GDA1', agent, agentSubject(agent.identityKey), advertBody),
  GDE1: tokenScript('GDE1', party('publisher'), sha256Hex(batch), eventsBody),
}
const named = Object.entries(scripts)

const protocols: Record<TokenTag, string> = {
  GDE1: 'gitdata event batch',
  GDJ1: 'gitdata event job',
  GDR1: 'gitdata event result',
  GDC1: 'gitdata event certificate',
  GDA1: 'gitdata agent advert',
}

function fieldsOf(script: Uint8Array): Uint8Array[] {
  const lock = readLock(script)
  if (lock?.kind !== 'token') throw new Error('not a token')
  return [...lock.fields]
}

describe('a token', () => {
  test.each(named)('%s is read as it was written', (name, script) => {
    const token = orThrow(readToken(script))
    expect(name).toContain(token.tag)
    expect(tagOf(script)).toBe(token.tag)
  })

  test('says what it was given to say', () => {
    const { locations, ...seat } = orThrow(readToken(scripts['seat GDJ1'] ?? new Uint8Array())).body as {
      locations: string[]
    }
    expect(locations).toEqual(['https://node.example/rounds'])
    expect(seat).toEqual({
      ...facts,
      fuelHash: fuelHashOf(facts, []),
      agentKey: agent.identityKey,
      operator: operator.identityKey,
      operatorSig,
      operatorFromMs,
      operatorToMs,
    })
    expect(readToken(scripts['GDR1'] ?? new Uint8Array())).toMatchObject({
      value: {
        tag: 'GDR1',
        issuer: agent.identityKey,
        subject: roundId,
        body: {
          ...facts,
          leaves,
          jobOutpoint: { txid: job.txid, vout: 0 },
          coordinator: coordinator.identityKey,
        },
      },
    })
    expect(readToken(scripts['GDE1'] ?? new Uint8Array())).toMatchObject({ value: { body: eventsBody } })
    expect(readToken(scripts['GDA1'] ?? new Uint8Array())).toMatchObject({ value: { body: advertBody } })
  })

  test.each(named)(
    '%s is five fields to the SDK, and its signature one that anyone verifies',
    async (_, script) => {
      const { tag, issuer, subject } = orThrow(readToken(script))
      const { fields } = PushDrop.decode(LockingScript.fromBinary([...script]))
      expect(fields).toHaveLength(5)
      const verdict = await new ProtoWallet('anyone').verifySignature({
        data: fields.slice(0, 4).flat(),
        signature: fields[4] ?? [],
        protocolID: [2, protocols[tag]],
        keyID: subject,
        counterparty: issuer,
      })
      expect(verdict.valid).toBe(true)
    },
  )

  test('that the SDK builds and locks for anyone to see is read', async () => {
    const wallet = new CompletedProtoWallet(new PrivateKey([...agent.privateKey]))
    const signed = fieldsOf(scripts['GDA1'] ?? new Uint8Array())
      .slice(0, 4)
      .map(field => [...field])
    const subject = agentSubject(agent.identityKey)
    const script = await new PushDrop(wallet).lock(signed, [2, protocols.GDA1], subject, 'anyone', true)
    expect(script.toHex()).toBe(toHex(scripts['GDA1'] ?? new Uint8Array()))
  })

  test('is locked to its receiver: the key is anybody’s to recompute and the receiver’s to hold', () => {
    const receivers: [string, { privateKey: Uint8Array }][] = [
      ['seat GDJ1', agent],
      ['thread GDJ1', coordinator],
      ['GDR1', coordinator],
      ['GDA1', agent],
    ]
    for (const [name, receiver] of receivers) {
      const script = scripts[name] ?? new Uint8Array()
      const { tag, subject } = orThrow(readToken(script))
      expect(publicKeyOf(spendingKey(tag, subject, receiver.privateKey))).toEqual(script.slice(1, 34))
    }
  })

  test.each(named)('%s is refused with any one bit of any push, or of its lock, flipped', (_, script) => {
    // Every bit of what is short; of long bodies one bit in each byte.
    const step = script.length > 700 ? 8 : 1
    for (let bit = 0; bit < script.length * 8; bit += step) {
      const flipped = script.slice()
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (step === 8 ? (bit >> 3) % 8 : bit & 7))
      const read = readToken(flipped)
      if (read.ok) throw new Error(`bit ${bit} may be flipped`)
      expect(read.fault.code).toBe('token-invalid')
    }
  })
})

/** A script whose signature and lock are right, whatever its fields say. */
function signedAnyway(
  tag: string,
  issuer: typeof coordinator,
  subject: string,
  body: Uint8Array,
  receiver = issuer,
) {
  const protocol = protocols[tag as TokenTag] ?? protocols.GDE1
  const fields = [utf8(tag), issuer.publicKey, knownHex(subject), body]
  const signature = signDetached(issuer.privateKey, protocol, subject, concat(...fields))
  const lock = anyoneVerifyingKey(receiver.publicKey, protocol, subject)
  if (lock === undefined) throw new Error('no lock')
  return tokenLock(lock, [...fields, signature])
}

const certificateBody = new Map<number, unknown>([
  [0, knownHex(roundId)],
  [1, 3],
  [2, 'packet'],
  [3, 'enhanced'],
  [4, knownHex(sha256Hex('packet'))],
])
const versionId = sha256Hex('version')
const certificate = (body: Uint8Array) => readToken(signedAnyway('GDC1', coordinator, versionId, body))
const changed = (key: number, value: unknown) => encode(new Map([...certificateBody, [key, value]]))

describe('the numbers of a body’s members', () => {
  const job = 'template stage level members inputRoot inputHash deadlineMs outputBytesMax'
  const numbered: [string, string][] = [
    ['seat GDJ1', `${job} agentKey operator operatorSig operatorFromMs operatorToMs locations fuelHash`],
    ['GDR1', `${job} coordinator jobOutpoint status leaves workHash evidenceHash`],
    ['GDC1', 'roundId index template level packetId supersedes'],
    [
      'GDA1',
      'capabilities operator operatorSig operatorFromMs operatorToMs endpoints packetsMax bytesMax satoshisPerThousandEvents region expiresMs',
    ],
    ['GDE1', 'streamId sourceId count bytes url'],
  ]
  test.each(numbered)('of %s are a promise', (name, members) => {
    const script = scripts[name] ?? new Uint8Array()
    const body: Record<string, unknown> = { ...orThrow(readToken(script)).body }
    const map: Map<number, unknown> = decode(fieldsOf(script)[3] ?? new Uint8Array(), { useMaps: true })
    const present = members.split(' ').flatMap((member, number) => (member in body ? [number] : []))
    expect([...map.keys()]).toEqual(present)
    for (const [number, wire] of map) {
      const value = body[members.split(' ')[number] ?? '']
      if (wire instanceof Uint8Array && typeof value === 'string') expect(toHex(wire)).toBe(value)
      else if (wire instanceof Uint8Array && Array.isArray(value)) expect(toHex(wire)).toBe(value.join(''))
      else if (typeof value !== 'object' || value instanceof Uint8Array) expect(wire).toEqual(value)
    }
  })

  test('leave no room for half a leaf', () => {
    const fields = fieldsOf(scripts['GDR1'] ?? new Uint8Array())
    const map: Map<number, unknown> = decode(fields[3] ?? new Uint8Array(), { useMaps: true })
    const result = (leaves: Uint8Array) =>
      readToken(signedAnyway('GDR1', agent, roundId, encode(new Map([...map, [11, leaves]])), coordinator))
    expect(result(new Uint8Array(96))).toMatchObject({ ok: true })
    for (const length of [0, 31, 95, 97, 128])
      expect(result(new Uint8Array(length))).toMatchObject({
        fault: { detail: expect.stringMatching(/leaf|byte string/) },
      })
  })
})

describe('a body', () => {
  test('with its members in their numbers is accepted', () => {
    expect(certificate(encode(certificateBody))).toMatchObject({ ok: true })
    expect(certificate(changed(5, knownHex(sha256Hex('older'))))).toMatchObject({ ok: true })
  })

  const canonical = encode(certificateBody)
  const floatThree = knownHex('fb4008000000000000')
  const refusals: [string, Uint8Array][] = [
    ['a member it does not know', changed(6, 1)],
    ['a member numbered beyond 23', changed(24, 1)],
    ['a text for a key', encode({ a: 1 })],
    ['a member of another type', changed(1, 'three')],
    ['a short hash', changed(0, new Uint8Array(31))],
    ['a negative number', changed(1, -1)],
    ['an index no round has', changed(1, 64)],
    ['an unknown level', changed(3, 'platinum')],
    ['a word in capitals', changed(2, 'Packet')],
    ['a null', changed(5, null)],
    ['a nested map', changed(5, new Map())],
    ['a float that is a whole number', concat(canonical.subarray(0, 37), floatThree, canonical.subarray(38))],
    ['a map of indefinite length', concat(Uint8Array.of(0xbf), canonical.subarray(1), Uint8Array.of(0xff))],
    [
      'a number in a longer form',
      concat(canonical.subarray(0, 37), Uint8Array.of(0x18, 3), canonical.subarray(38)),
    ],
    ['its members in another order', encode(new Map([...certificateBody].reverse()), { mapSorter: () => 0 })],
    ['a member twice', concat(Uint8Array.of(0xa6), canonical.subarray(1), canonical.subarray(36, 38))],
    ['a tag', concat(Uint8Array.of(0xc0), canonical)],
    ['a byte after it', concat(canonical, Uint8Array.of(0))],
    ['no map', encode([1, 2])],
    ['a member missing', encode(new Map([...certificateBody].slice(1)))],
  ]
  test.each(refusals)('with %s is refused', (_, body) => {
    expect(certificate(body)).toMatchObject({
      ok: false,
      fault: { code: 'token-invalid', detail: expect.stringMatching(/body/) },
    })
  })

  test('stands where these cases think it does', () => {
    expect(toHex(canonical.subarray(36, 38))).toBe('0103')
  })

  const hostile: [string, Uint8Array][] = [
    ['60,000 nested lists', new Uint8Array(60_000).fill(0x81)],
    ['60,000 nested maps', new Uint8Array(60_000).fill(0xa1)],
    ['a list of 2^53 items', Uint8Array.of(0xa1, 0, 0x9b, 0, 0x1f, 255, 255, 255, 255, 255, 255)],
    ['a text of 4 GB', Uint8Array.of(0xa1, 0, 0x7a, 255, 255, 255, 255)],
    ['60,000 members', concat(Uint8Array.of(0xb9, 0xea, 0x60), new Uint8Array(60_000))],
    ['70,000 bytes', new Uint8Array(70_000)],
  ]
  test.each(hostile)('that announces %s is refused without being followed', (_, body) => {
    expect(certificate(body)).toMatchObject({ ok: false, fault: { code: 'token-invalid' } })
  })

  test('made of noise is refused by name, 3,000 times', () => {
    const noisy = fc
      .tuple(fc.nat(canonical.length - 1), fc.uint8Array({ minLength: 1, maxLength: 6 }), fc.boolean())
      .map(([at, noise, insert]) =>
        concat(canonical.subarray(0, at), noise, canonical.subarray(insert ? at : at + noise.length)),
      )
    const tag = fc.constantFrom<TokenTag>('GDE1', 'GDJ1', 'GDR1', 'GDC1', 'GDA1')
    fc.assert(
      fc.property(tag, fc.oneof(noisy, fc.uint8Array({ minLength: 2, maxLength: 120 })), (kind, body) => {
        const fields = [utf8(kind), coordinator.publicKey, knownHex(versionId), body, new Uint8Array(70)]
        expect(readToken(tokenLock(coordinator.publicKey, fields))).toMatchObject({
          fault: { code: 'token-invalid' },
        })
      }),
      { numRuns: 3000 },
    )
  })
})

describe('a script that is no token', () => {
  test('is refused by name, for 3,000 scripts of noise', () => {
    const [, sample] = named[2] ?? []
    const base = sample ?? new Uint8Array()
    const noisy = fc
      .tuple(fc.nat(base.length - 1), fc.uint8Array({ minLength: 1, maxLength: 4 }))
      .map(([at, noise]) => {
        const copy = concat(base, new Uint8Array(4))
        copy.set(noise, at)
        return copy
      })
    fc.assert(
      fc.property(fc.oneof(noisy, fc.uint8Array({ maxLength: 200 })), script => {
        expect(readToken(script)).toMatchObject({ ok: false, fault: { code: 'token-invalid' } })
      }),
      { numRuns: 3000 },
    )
  })

  const body = encode(certificateBody)
  const whole = [
    utf8('GDC1'),
    coordinator.publicKey,
    knownHex(versionId),
    body,
    new Uint8Array(DER_BYTES_MAX),
  ]
  const replaced = (index: number, field: Uint8Array) =>
    tokenLock(
      coordinator.publicKey,
      whole.map((each, i) => (i === index ? field : each)),
    )
  const refusals: [string, Uint8Array, RegExp][] = [
    ['an unknown tag', replaced(0, utf8('GDX1')), /tag/],
    ['a name of Object for a tag', replaced(0, utf8('toString')), /tag/],
    ['an issuer off the curve', replaced(1, new Uint8Array(33).fill(2)), /issuer/],
    ['an uncompressed issuer', replaced(1, new Uint8Array(65).fill(4)), /issuer/],
    ['a short subject', replaced(2, new Uint8Array(31)), /subject/],
    ['no signature', replaced(4, new Uint8Array(2)), /signed/],
    ['nothing at all', new Uint8Array(), /five pushes/],
  ]
  test.each(refusals)('because it has %s says so', (_, script, why) => {
    expect(readToken(script)).toMatchObject({
      fault: { code: 'token-invalid', detail: expect.stringMatching(why) },
    })
  })
})

describe('what a token says against itself', () => {
  const seat = (change: object) => {
    const { value } = readToken(scripts['seat GDJ1'] ?? new Uint8Array()) as {
      value: Extract<Token, { tag: 'GDJ1' }>
    }
    return readToken(tokenScript('GDJ1', coordinator, roundId, { ...value.body, ...change }))
  }

  test('an operator’s word for other times is refused', () => {
    expect(seat({ deadlineMs: operatorToMs })).toMatchObject({ ok: true })
    expect(seat({ deadlineMs: operatorToMs + 1 })).toMatchObject({
      fault: { detail: expect.stringMatching(/other times/) },
    })
    expect(seat({ deadlineMs: operatorFromMs - 1 })).toMatchObject({
      fault: { detail: expect.stringMatching(/other times/) },
    })
  })

  test('an operator’s word for another agent, of another operator or with times of its own is refused', () => {
    const signed = { fault: { detail: expect.stringMatching(/operator has not signed/) } }
    expect(seat({ agentKey: agents[1].identityKey })).toMatchObject(signed)
    expect(seat({ operator: operators[1].identityKey })).toMatchObject(signed)
    expect(seat({ operatorToMs: operatorToMs + 1 })).toMatchObject(signed)
    expect(seat({ operatorFromMs: operatorFromMs - 1 })).toMatchObject(signed)
    expect(seat({ operator: `02${'00'.repeat(32)}` })).toMatchObject(signed)
  })

  test('a thread of somebody else, or half an operator, is refused', () => {
    const thread = readToken(scripts['thread GDJ1'] ?? new Uint8Array()) as {
      value: Extract<Token, { tag: 'GDJ1' }>
    }
    const foreign = { ...thread.value.body, agentKey: agent.identityKey }
    expect(readToken(tokenScript('GDJ1', coordinator, roundId, foreign))).toMatchObject({
      fault: { detail: expect.stringMatching(/thread/) },
    })
    const half = { ...thread.value.body, operator: operator.identityKey }
    expect(() => tokenScript('GDJ1', coordinator, roundId, half)).toThrow(/operator members/)
  })

  test('members out of order, repeated or none are refused', () => {
    for (const members of [[], [1, 0], [2, 2], [64]])
      expect(() =>
        tokenScript('GDJ1', coordinator, roundId, {
          ...factsOf('normalize', 'basic', members),
          agentKey: coordinator.identityKey,
          locations: [],
        }),
      ).toThrow()
  })

  test('a result with more or fewer leaves than members is refused', () => {
    for (const count of [2, 4])
      expect(() =>
        resultScript(
          facts,
          job,
          0,
          Array.from({ length: count }, () => sha256Hex('leaf')),
        ),
      ).toThrow(/leaf/)
  })

  test('an advert under another agent’s subject, or beyond its operator’s word, is refused', () => {
    const other = tokenScript('GDA1', agent, agentSubject(agents[1].identityKey), advertBody)
    expect(readToken(other)).toMatchObject({ fault: { detail: expect.stringMatching(/subject/) } })
    const late = { ...advertBody, expiresMs: operatorToMs + 1 }
    expect(readToken(tokenScript('GDA1', agent, agentSubject(agent.identityKey), late))).toMatchObject({
      fault: { detail: expect.stringMatching(/other times/) },
    })
  })

  test('an advert whose region no database can hold is refused', () => {
    expect(() =>
      tokenScript('GDA1', agent, agentSubject(agent.identityKey), { ...advertBody, region: 'eu\0west' }),
    ).toThrow(/U\+0000/)
  })

  test('events that are not what the subject names are refused; events elsewhere are not looked at', () => {
    const publisher = party('publisher')
    const subject = sha256Hex(batch)
    const other = { ...eventsBody, bytes: utf8('{}\n') }
    expect(readToken(tokenScript('GDE1', publisher, subject, other))).toMatchObject({
      fault: { detail: expect.stringMatching(/hash/) },
    })
    const { bytes: _, ...elsewhere } = eventsBody
    expect(readToken(tokenScript('GDE1', publisher, subject, elsewhere))).toMatchObject({ ok: true })
    const url = { ...elsewhere, url: 'uhrp://XUTEaLuvEhPySbAMiJxYEhBBGb258URNoqgnaf3Ym4b2wg683ZKp' }
    expect(readToken(tokenScript('GDE1', publisher, subject, url))).toMatchObject({ ok: true })
    expect(() => tokenScript('GDE1', publisher, subject, { ...url, bytes: batch })).toThrow(
      /inline and behind/,
    )
  })

  test('events travel inline up to 64 kB and not a byte more', () => {
    const publisher = party('publisher')
    const carry = (bytes: Uint8Array) =>
      readToken(tokenScript('GDE1', publisher, sha256Hex(bytes), { ...eventsBody, bytes }))
    expect(carry(new Uint8Array(EVENTS_INLINE_BYTES_MAX).fill(10))).toMatchObject({ ok: true })
    expect(() => carry(new Uint8Array(EVENTS_INLINE_BYTES_MAX + 1).fill(10))).toThrow(/byte string/)
  })

  test('a lock that is not its receiver’s is refused: the issuer’s, a stranger’s, or everybody’s', () => {
    const everybody = { ...party('x'), privateKey: knownHex('1'.padStart(64, '0')) }
    const one = { ...everybody, publicKey: publicKeyOf(everybody.privateKey) }
    const fields = fieldsOf(scripts['GDR1'] ?? new Uint8Array())
    const [, , , body = new Uint8Array()] = fields
    expect(readToken(signedAnyway('GDR1', agent, roundId, body, coordinator))).toMatchObject({ ok: true })
    for (const receiver of [agent, party('stranger'), one])
      expect(readToken(signedAnyway('GDR1', agent, roundId, body, receiver))).toMatchObject({
        fault: { detail: expect.stringMatching(/not locked to its receiver/) },
      })
    expect(readToken(tokenLock(coordinator.publicKey, fields))).toMatchObject({
      fault: { detail: expect.stringMatching(/not locked/) },
    })
  })
})
