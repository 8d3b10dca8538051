import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson, type JsonObject } from '../../../src/core/canonical-json.ts'
import type { CloudAttributes, Envelope } from '../../../src/core/event/envelope.ts'
import {
  blindOf,
  constantMembers,
  eventLine,
  type LineConstants,
  readLine,
  readLineConstants,
} from '../../../src/core/event/line.ts'
import {
  envelopeChecks,
  envelopeMembers,
  PAYLOAD_CHARS_MAX,
  readEnvelope,
} from '../../../src/core/event/read-envelope.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { anyEnvelope, anyMess, faultOf, nested, reparsed } from './arbitraries.ts'
import { sampleEnvelope } from './sample-envelope.ts'

const constants: LineConstants = { schemaVersion: 1, streamId: 'sensors.temperature', domain: 'iot' }

describe('a line', () => {
  test('leaves out what its packet says once', () => {
    const line = orThrow(eventLine(sampleEnvelope, constants))
    expect(Object.keys(JSON.parse(line))).not.toEqual(expect.arrayContaining(Object.keys(constants)))
    expect(readLine(line, constants)).toEqual({ ok: true, value: sampleEnvelope })
  })

  test('is the canonical form of the rest, whether or not the payload was canonical already', () => {
    fc.assert(
      fc.property(anyEnvelopeWithConstants, ([envelope, constants]) => {
        const plain = canonicalJson(without(envelope, constants))
        expect(eventLine(envelope, constants)).toEqual({ ok: true, value: plain })
        expect(eventLine(envelope, constants, canonicalJson(envelope.payload))).toEqual({
          ok: true,
          value: plain,
        })
      }),
      { numRuns: 500 },
    )
  })

  test('is read back as the envelope that was written', () => {
    fc.assert(
      fc.property(anyEnvelopeWithConstants, ([envelope, constants]) => {
        const read = readLine(orThrow(eventLine(envelope, constants)), constants)
        expect(read).toEqual({ ok: true, value: reparsed(envelope) })
      }),
      { numRuns: 500 },
    )
  })

  test.each<[string, Partial<Envelope>]>([
    ['a payload that a line makes one level too deep', { payload: nested(64) }],
    ['a signature that a line makes one level too deep', { originSignature: nested(64) }],
    ['a payload of more characters than one may have', { payload: 'x'.repeat(PAYLOAD_CHARS_MAX) }],
    ['attributes of a CloudEvent that fill more than a line', { cloudEvent: wideAttributes(50, 8192) }],
  ])('is not written of an event with %s: it would cost its whole packet', (_what, change) => {
    const event = { ...sampleEnvelope, ...change }
    expect(readEnvelope(event).ok).toBe(false)
    expect(eventLine(event, {}).ok).toBe(false)
    expect(eventLine(event, {}, canonicalJson(event.payload)).ok).toBe(false)
  })

  test('is written of whatever can be read as an envelope and of nothing else, and gives it back', () => {
    const anyValue = fc.oneof(anyMess, fc.integer({ min: 60, max: 66 }).map(nested))
    fc.assert(
      fc.property(fc.constantFrom<string>(...envelopeMembers), anyValue, (member, value) => {
        const event = { ...sampleEnvelope, [member]: value }
        const line = eventLine(event, {})
        expect(line.ok).toBe(readEnvelope(event).ok)
        if (line.ok) expect(readLine(line.value, {})).toEqual({ ok: true, value: reparsed(event) })
      }),
      { numRuns: 2500 },
    )
  })

  test('has room for the widest event that can be read', () => {
    expect(readEnvelope(widest)).toEqual({ ok: true, value: widest })
    const line = orThrow(eventLine(widest, {}))
    expect(line.length).toBeGreaterThan(PAYLOAD_CHARS_MAX + 300_000)
    expect(readLine(line, {})).toEqual({ ok: true, value: widest })

    const wider = { ...widest, payload: `${widest.payload}x` }
    for (const refused of [readEnvelope(wider), eventLine(wider, {}), readLine(canonicalJson(wider), {})])
      expect(faultOf(refused).pointer).toBe('/payload')
  })

  test('is refused to an event that departs from what its stream declares constant', () => {
    expect(faultOf(eventLine({ ...sampleEnvelope, domain: 'odds' }, constants)).pointer).toBe('/domain')
    expect(faultOf(eventLine(sampleEnvelope, { tenantId: 'acme' })).pointer).toBe('/tenantId')
    const tagged = { ...sampleEnvelope, policyTags: ['PII'] }
    expect(eventLine(tagged, { policyTags: ['PII'] }).ok).toBe(true)
    expect(eventLine(tagged, { policyTags: ['open'] }).ok).toBe(false)
  })

  test('is refused when it repeats a constant, even with the same value', () => {
    const line = orThrow(eventLine(sampleEnvelope, {}))
    expect(faultOf(readLine(line, { domain: 'iot' })).pointer).toBe('/domain')
  })

  test('is refused when it is not canonical', () => {
    const line = orThrow(eventLine(sampleEnvelope, constants))
    for (const other of [
      ` ${line}`,
      line.replace('":', '": '),
      line.replace('23.5', '23.50'),
      `${line}\n`,
      '',
    ])
      expect(readLine(other, constants).ok).toBe(false)
  })

  test('is refused when it says where it stands in the log, or anything unknown', () => {
    for (const extra of [{ seq: 1 }, { partition: 0 }, { other: null }])
      expect(readLine(canonicalJson({ ...sampleEnvelope, ...extra }), {}).ok).toBe(false)
  })

  test('never throws, whatever stands in it', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          anyMess.map(json => JSON.stringify(json)),
        ),
        text => {
          expect(readLine(text, constants).ok).toBe(false)
        },
      ),
      { numRuns: 1500 },
    )
  })

  test('with one character changed is refused, or says something else', () => {
    const line = orThrow(eventLine(sampleEnvelope, constants))
    fc.assert(
      fc.property(fc.nat(line.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, char) => {
        fc.pre(line[at] !== char)
        const read = readLine(line.slice(0, at) + char + line.slice(at + 1), constants)
        if (read.ok) expect(read.value).not.toEqual(sampleEnvelope)
      }),
      { numRuns: 1500 },
    )
  })
})

describe('line constants', () => {
  test('can be none of the members that tell events apart or that a stage changes', () => {
    for (const member of [
      'eventId',
      'payload',
      'eventTimeMs',
      'ingestTimeMs',
      'qualityFlags',
      'nativeId',
      'blind',
    ])
      expect(readLineConstants({ [member]: 1 }).ok).toBe(false)
  })

  test('must be values that the member can have', () => {
    expect(readLineConstants({ domain: 'iot', policyTags: ['open'] }).ok).toBe(true)
    expect(faultOf(readLineConstants({ classification: 'PRIVATE' })).pointer).toBe('/classification')
  })
})

test('a blind is the HMAC of the eventId under the key of the stream', () => {
  const key = new Uint8Array(32).fill(7)
  const expected = createHmac('sha256', key).update(Buffer.from(sampleEnvelope.eventId, 'hex')).digest('hex')
  expect(blindOf(key, sampleEnvelope.eventId)).toBe(expected)
})

/** Every member as long as it may be, in the characters that canonical JSON spells at greatest length. */
const widest = widestEnvelope()

function widestEnvelope() {
  const wide = (chars: number) => '\u0001'.repeat(chars)
  const texts = [2048, 512, 256, 64].map(wide)
  const longest = envelopeMembers.flatMap(member => {
    const text = texts.find(text => envelopeChecks[member](text) === undefined)
    return text === undefined ? [] : [[member, text] as const]
  })
  const step = { operation: wide(256), timestampMs: 1, userId: wide(256) }
  return {
    ...sampleEnvelope,
    ...Object.fromEntries(longest),
    originSignature: 'x'.repeat(8190),
    policyTags: Array<string>(64).fill(wide(64)),
    transformations: Array<typeof step>(64).fill(step),
    cloudEvent: { ...wideAttributes(1, 8192), y: wide(2700) },
    payload: 'x'.repeat(PAYLOAD_CHARS_MAX - 2),
  }
}

function wideAttributes(count: number, chars: number): CloudAttributes {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`x${i}`, '\u0001'.repeat(chars)]))
}

const anyEnvelopeWithConstants: fc.Arbitrary<[Envelope, LineConstants]> = fc
  .tuple(anyEnvelope, fc.subarray([...constantMembers]))
  .map(([envelope, members]) => [
    envelope,
    Object.fromEntries(
      members.flatMap(member => (envelope[member] === undefined ? [] : [[member, envelope[member]]])),
    ),
  ])

function without(envelope: Envelope, constants: LineConstants): JsonObject {
  return Object.fromEntries(Object.entries(envelope).filter(([member]) => !Object.hasOwn(constants, member)))
}
