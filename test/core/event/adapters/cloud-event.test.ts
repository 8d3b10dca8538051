import { createHash } from 'node:crypto'
import { HTTP, CloudEvent as SdkCloudEvent } from 'cloudevents'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../../../src/core/canonical-json.ts'
import {
  type CloudEvent,
  ENVELOPE_ATTRIBUTE,
  envelopeInCloudEvent,
  fromCloudEvent,
  fromCloudEventBatch,
  toCloudEvent,
} from '../../../../src/core/event/adapters/cloud-event.ts'
import {
  contentMode,
  fromBinaryMode,
  toBinaryMode,
} from '../../../../src/core/event/adapters/cloud-event-http.ts'
import { composeEnvelope } from '../../../../src/core/event/compose-envelope.ts'
import type { Envelope } from '../../../../src/core/event/envelope.ts'
import { identify } from '../../../../src/core/event/identity.ts'
import { eventLine, readLine } from '../../../../src/core/event/line.ts'
import { envelopeMembers, readEnvelope } from '../../../../src/core/event/read-envelope.ts'
import type { StatedIdentity } from '../../../../src/core/event/read-identity.ts'
import { orThrow } from '../../../../src/core/fault.ts'
import { anyEnvelope, anyJson, anyMess, faultOf, nested, reparsed } from '../arbitraries.ts'
import { sampleEnvelope } from '../sample-envelope.ts'

const plain: CloudEvent = {
  specversion: '1.0',
  id: 'A234-1234-1234',
  source: '/mycontext',
  type: 'com.example.someevent',
  time: '2018-04-05T17:31:00.123456789+02:00',
  subject: 'larger-context',
  comexampleothervalue: 5,
  datacontenttype: 'application/json',
  data: { appinfoA: 'abc', appinfoB: 123 },
}

describe('a CloudEvent', () => {
  test('is identified by its source, id and time, and keeps the digits that milliseconds cannot hold', () => {
    const field = (text: string) => Buffer.concat([Buffer.of(0, 0, 0, text.length), Buffer.from(text)])
    const preimage = [Buffer.of(19), Buffer.from('assay:cloud-event:1'), field('/mycontext')]
    const hash = createHash('sha256').update(Buffer.concat([...preimage, field('A234-1234-1234')]))
    expect(orThrow(fromCloudEvent(plain))).toMatchObject({
      payload: plain['data'],
      nativeId: hash.digest('hex'),
      type: 'com.example.someevent',
      eventTime: { ms: 1_522_942_260_123, text: '2018-04-05T17:31:00.123456789+02:00' },
      carried: { originSource: '/mycontext' },
    })
  })

  test('is not merged with one of another source that has the same id', () => {
    const [one, other] = [ingested(plain), ingested({ ...plain, source: '/another' })]
    expect(other.sourceId).toBe(one.sourceId)
    expect(other.nativeId).not.toBe(one.nativeId)
    expect(other.eventId).not.toBe(one.eventId)
    expect(toCloudEvent(other)).toMatchObject({ value: { id: plain['id'], source: '/another' } })
  })

  test('remembers in its envelope only what the other members do not say', () => {
    expect(ingested(plain).cloudEvent).toEqual({
      id: 'A234-1234-1234',
      subject: 'larger-context',
      comexampleothervalue: 5,
      datacontenttype: 'application/json',
    })
  })

  test('comes out as it went in, whatever it held', () => {
    fc.assert(
      fc.property(anyCloudEvent, event => {
        const { [ENVELOPE_ATTRIBUTE]: _ours, ...given } = written(ingested(event))
        expect(given).toEqual(event)
      }),
      { numRuns: 500 },
    )
  })

  test('comes out as it went in, also where the policy identifies it by other members', () => {
    fc.assert(
      fc.property(anyCloudEvent, event => {
        const stated = { nativeId: 'other', eventTime: { ms: 77 }, sourceSeq: '5' }
        const { [ENVELOPE_ATTRIBUTE]: _ours, ...given } = written(ingested(event, stated))
        expect(given).toEqual(event)
      }),
    )
  })

  test('that was written by another node keeps that node’s envelope when it goes on', () => {
    const relayed = written(ingested(plain))
    const again = orThrow(envelopeInCloudEvent(written(ingested(relayed))))
    expect(again.cloudEvent?.[ENVELOPE_ATTRIBUTE]).toBe(relayed[ENVELOPE_ATTRIBUTE])
  })

  test('is refused where its attributes are together longer than a line has room for', () => {
    const long = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`x${i}`, '\u0001'.repeat(8192)]))
    expect(faultOf(fromCloudEvent({ ...plain, ...long })).detail).toContain('65536 characters')
    const one = ingested({ ...plain, x: '\u0001'.repeat(8192) })
    expect(readLine(orThrow(eventLine(one, {})), {})).toEqual({ ok: true, value: one })
  })

  test('fits its envelope with as many attributes as it may have, and what must be remembered beside them', () => {
    const most = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`x${i}`, i]))
    const event = { specversion: '1.0', id: '1', source: '/s', type: 't', ...most, data_base64: 'AA==' }
    expect(ingested(event).cloudEvent).toEqual({ id: '1', ...most, time: null, data: 'base64' })
  })

  test('comes through HTTP’s binary mode with its data intact and its attributes as text', () => {
    fc.assert(
      fc.property(anyBinaryEvent, event => {
        const back = orThrow(fromBinaryMode(orThrow(toBinaryMode(event))))
        expect(back).toEqual(asText(event))
      }),
      { numRuns: 500 },
    )
  })

  test.each<[string, JsonObject]>([
    ['another specversion', { ...plain, specversion: '0.3' }],
    ['no id', { ...plain, id: null }],
    ['an empty source', { ...plain, source: '' }],
    ['a type that is no text', { ...plain, type: 5 }],
    ['an attribute in capitals', { ...plain, Subject: 'x' }],
    ['an attribute named like a prototype', JSON.parse('{"specversion":"1.0","__proto__":"x"}')],
    ['an attribute that is a list', { ...plain, tags: ['x'] }],
    ['an attribute beyond 32 bits', { ...plain, number: 2 ** 31 }],
    ['a day that does not exist', { ...plain, time: '2018-02-29T00:00:00Z' }],
    ['a time that is a number', { ...plain, time: 5 }],
    ['two kinds of data', { ...plain, data_base64: 'AA==' }],
    ['base64 without padding', { ...without(plain, 'data'), data_base64: 'AA' }],
    ['base64 with bits to spare', { ...without(plain, 'data'), data_base64: 'AB==' }],
    ['an object for text', { ...plain, datacontenttype: 'text/plain' }],
    [
      'too many attributes',
      { ...plain, ...Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`x${i}`, i])) },
    ],
  ])('with %s is refused', (_what, event) => {
    expect(faultOf(fromCloudEvent(event)).code).toBe('event-unreadable')
  })

  test('that is bad costs the others of its batch nothing', () => {
    const batch = orThrow(fromCloudEventBatch([plain, { ...plain, id: 5 }, { ...plain, id: 'B' }]))
    expect(batch.map(item => item.ok)).toEqual([true, false, true])
    expect(fromCloudEventBatch([])).toEqual({ ok: true, value: [] })
    expect(fromCloudEventBatch(plain).ok).toBe(false)
  })
})

describe('an envelope', () => {
  test('comes back whole from the CloudEvent it was written to', () => {
    fc.assert(
      fc.property(anyEnvelope, envelope => {
        const read = envelopeInCloudEvent(reparsed(written(envelope)))
        expect(read).toEqual({ ok: true, value: reparsed(envelope) })
      }),
      { numRuns: 300 },
    )
  })

  test('comes back whole from binary mode', () => {
    fc.assert(
      fc.property(anyBinaryEvent, event => {
        const envelope = ingested(event)
        const message = orThrow(toBinaryMode(written(envelope)))
        expect(envelopeInCloudEvent(orThrow(fromBinaryMode(message)))).toEqual({ ok: true, value: envelope })
      }),
      { numRuns: 300 },
    )
  })

  test('goes out under its eventId where it did not come as a CloudEvent: revisions of one id are two events', () => {
    expect(written({ ...sampleEnvelope, nativeId: 'n' })).toMatchObject({
      id: sampleEnvelope.eventId,
      source: 'farm-001',
      time: '2024-01-15T10:30:00.000Z',
    })
  })

  test('is not taken from a CloudEvent that says otherwise in its attributes or data', () => {
    const event = written(sampleEnvelope)
    for (const forged of [
      { type: 'other' },
      { time: '2024-01-15T10:30:00.001Z' },
      { extra: 1 },
      { data: 5 },
    ]) {
      const outcome = envelopeInCloudEvent({ ...event, ...forged })
      if ('data' in forged) expect(outcome.ok && outcome.value.payload).toBe(5)
      else expect(outcome.ok).toBe(false)
    }
    expect(envelopeInCloudEvent(plain).ok).toBe(false)
  })

  test.each<[string, Partial<Envelope>, string]>([
    ['is longer than an attribute may be', { cloudEvent: { subject: 'x'.repeat(8000) } }, '/assayenvelope'],
    ['nests too deep', { originSignature: nested(64) }, '/originSignature'],
    ['has a source that is no Unicode', { sourceId: '\ud800' }, '/sourceId'],
    ['has a time that is none', { eventTimeText: 'yesterday' }, '/time'],
    ['has data that its type forbids', { cloudEvent: { datacontenttype: 'text/plain' } }, '/data'],
  ])('that %s goes out as no CloudEvent, and the answer points at it', (_what, change, pointer) => {
    expect(faultOf(toCloudEvent({ ...sampleEnvelope, ...change })).pointer).toBe(pointer)
  })

  test('goes out only as what would be taken back in', () => {
    fc.assert(
      fc.property(fc.constantFrom<string>(...envelopeMembers), anyMess, (member, mess) => {
        const event = toCloudEvent({ ...sampleEnvelope, [member]: mess })
        if (event.ok) expect(fromCloudEvent(event.value).ok).toBe(true)
      }),
      { numRuns: 1500 },
    )
  })
})

describe('the CloudEvents SDK', () => {
  test('accepts what we write, structured and binary', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anyBinaryEvent.map(event => ingested(event)),
          anyEnvelope,
        ),
        envelope => {
          const event = written(envelope)
          expect(new SdkCloudEvent({ ...event }, true).validate()).toBe(true)

          const message = orThrow(toBinaryMode(event))
          const read = HTTP.toEvent({
            headers: { ...message.headers },
            body: Buffer.from(message.body).toString(),
          })
          expect(read).toMatchObject({
            specversion: '1.0',
            id: message.headers['ce-id'],
            type: message.headers['ce-type'],
          })
        },
      ),
    )
  })

  test('writes what we accept, structured and binary', () => {
    fc.assert(
      fc.property(anySdkEvent, sent => {
        const structured = HTTP.structured(sent)
        expect(contentMode(structured.headers as Record<string, string>)).toBe('structured')
        const item: JsonObject = JSON.parse(String(structured.body))
        expect(orThrow(fromCloudEvent(item)).cloudEvent?.['id']).toBe(sent.id)

        const binary = HTTP.binary(sent)
        const headers = Object.fromEntries(
          Object.entries(binary.headers).map(([name, value]) => [name, String(value)]),
        )
        expect(contentMode(headers)).toBe('binary')
        const read = orThrow(
          fromBinaryMode({ headers, body: Buffer.from(binary.body as string | Uint8Array) }),
        )
        expect(orThrow(fromCloudEvent(read)).payload).toEqual(orThrow(fromCloudEvent(item)).payload)
      }),
      { numRuns: 300 },
    )
  })
})

describe('binary mode', () => {
  const headers = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s', 'ce-type': 't' }

  test('reads the specification’s example of percent-encoding, and quoted strings of older senders', () => {
    const read = (subject: string) => {
      const event = fromBinaryMode({
        headers: { ...headers, 'ce-subject': subject },
        body: new Uint8Array(0),
      })
      return event.ok ? event.value['subject'] : undefined
    }
    expect(read('Euro%20%E2%82%AC%20%F0%9F%98%80')).toBe('Euro € 😀')
    expect(read('"Euro \\"%E2%82%AC\\""')).toBe('Euro "€"')
    expect(read('plain text')).toBe('plain text')
    expect(read('%C0%A0')).toBeUndefined()
    expect(read('100%')).toBeUndefined()
    expect(read('€')).toBeUndefined()
  })

  test('writes it the same way', () => {
    const message = orThrow(toBinaryMode({ ...plain, subject: 'Euro € 😀' }))
    expect(message.headers['ce-subject']).toBe('Euro%20%E2%82%AC%20%F0%9F%98%80')
  })

  test.each<[string, Record<string, string | string[]>]>([
    ['an attribute given twice', { 'ce-subject': ['a', 'b'] }],
    ['an attribute given twice in other letters', { 'CE-ID': '2' }],
    [
      'a ce-datacontenttype beside the content type',
      { 'content-type': 'text/plain', 'ce-datacontenttype': 'text/plain' },
    ],
    ['data in a header', { 'ce-data': 'x' }],
    ['data_base64 in a header', { 'ce-data_base64': 'AA==' }],
    ['a prototype in a header', { 'ce-__proto__': 'x' }],
  ])('refuses %s', (_what, more) => {
    expect(fromBinaryMode({ headers: { ...headers, ...more }, body: new Uint8Array(0) }).ok).toBe(false)
  })

  test('refuses JSON that is none, and keeps bytes of an unknown kind as bytes', () => {
    const body = Uint8Array.of(0xff, 0x00)
    expect(fromBinaryMode({ headers: { ...headers, 'content-type': 'application/json' }, body }).ok).toBe(
      false,
    )
    for (const type of ['image/png', 'text/plain', 'text/plain; charset=latin1'])
      expect(fromBinaryMode({ headers: { ...headers, 'Content-Type': type }, body })).toMatchObject({
        value: { data_base64: '/wA=' },
      })
    expect(fromBinaryMode({ headers, body })).toMatchObject({ value: { data_base64: '/wA=' } })
  })

  test('refuses to carry what would come out as another kind of data, and names the mode that can', () => {
    fc.assert(
      fc.property(anyAttributes, anyAmbiguousData, (attributes, data) => {
        expect(faultOf(toBinaryMode({ ...attributes, ...data })).detail).toContain('structured mode')
      }),
    )
  })

  test('does not guess bytes of a charset that it cannot write', () => {
    const latin = { ...plain, datacontenttype: 'text/plain; charset=iso-8859-1', data: 'é' }
    expect(toBinaryMode(latin).ok).toBe(false)
    expect(toBinaryMode({ ...without(plain, 'data'), data_base64: '!' }).ok).toBe(false)
  })

  test.each<[string, JsonObject]>([
    ['a line break in the content type', { datacontenttype: 'text/plain\r\nx-admin: 1', data: '' }],
    ['a line break in the name of an attribute', { 'x\r\nx-admin': '1' }],
    ['half a surrogate pair in an attribute', { subject: '\ud800' }],
    ['half a surrogate pair in text', { datacontenttype: 'text/plain', data: '\ud800' }],
    ['an attribute that is an object', { subject: {} }],
    ['an attribute that cannot be made a text', { subject: { toString: 1 } }],
    ['a content type that ends in a space', { datacontenttype: 'application/json ' }],
  ])('writes no headers or body for %s', (_what, change) => {
    expect(faultOf(toBinaryMode({ ...plain, ...change })).code).toBe('event-unreadable')
  })

  test('is told from the structured modes by the content type', () => {
    expect(contentMode({ 'content-type': 'application/cloudevents+json; charset=utf-8' })).toBe('structured')
    expect(contentMode({ 'Content-Type': 'application/cloudevents-batch+json' })).toBe('batch')
    expect(contentMode({ 'CE-SpecVersion': '1.0', 'content-type': 'application/json' })).toBe('binary')
    expect(contentMode({ 'content-type': 'application/json' })).toBeUndefined()
  })
})

test('no message and no event throws, whatever its parts', () => {
  const members = [...Object.keys(plain), 'data_base64', ENVELOPE_ATTRIBUTE]
  fc.assert(
    fc.property(
      fc.constantFrom(...members),
      anyMess,
      fc.string(),
      fc.uint8Array({ maxLength: 8 }),
      (member, mess, text, body) => {
        const event = { ...plain, [member]: mess }
        const outcomes = [
          fromCloudEvent(event),
          envelopeInCloudEvent({ ...written(sampleEnvelope), [member]: mess }),
          toBinaryMode(event),
          fromBinaryMode({ headers: { ...httpHeaders, [`ce-${member}`]: text, 'content-type': text }, body }),
        ]
        for (const outcome of outcomes) expect(outcome.ok || outcome.fault.detail.length > 0).toBe(true)
      },
    ),
    { numRuns: 1500 },
  )
})
const httpHeaders = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s', 'ce-type': 't' }

function written(envelope: Envelope): CloudEvent {
  return orThrow(toCloudEvent(envelope))
}

/** The way of an event through the door: read, identified, composed, and readable as an envelope. */
function ingested(event: CloudEvent, identifiedBy?: StatedIdentity): Envelope {
  const submission = orThrow(fromCloudEvent(event))
  const stated: StatedIdentity = identifiedBy ?? submission
  const { schemaVersion, eventId, eventTimeMs, payload, qualityFlags, ...assigned } = sampleEnvelope
  const identity = identify(
    {
      sourceId: assigned.sourceId,
      streamId: assigned.streamId,
      payloadJcs: JSON.stringify(submission.payload),
      ...(stated.nativeId === undefined ? {} : { nativeId: stated.nativeId }),
      ...(stated.eventTime === undefined ? {} : { eventTimeMs: stated.eventTime.ms }),
    },
    { ingestTimeMs: assigned.ingestTimeMs, key: 'k', index: 0 },
  )
  if (identity.kind !== 'event') throw new Error('the first of its id is an event')
  return orThrow(readEnvelope(reparsed(composeEnvelope(submission, assigned, stated, identity))))
}

function without(event: CloudEvent, member: string): CloudEvent {
  return Object.fromEntries(Object.entries(event).filter(([key]) => key !== member))
}

function asText(event: CloudEvent): CloudEvent {
  const { data, data_base64, ...attributes } = event
  const implied = data !== undefined && attributes['datacontenttype'] === undefined
  return {
    ...Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, String(value)])),
    ...(implied ? { datacontenttype: 'application/json' } : {}),
    ...(data === undefined ? {} : { data }),
    ...(data_base64 === undefined ? {} : { data_base64 }),
  }
}

const attributeText = fc.string({ unit: fc.constantFrom('a', 'Z', '0', ' ', '%', '"', '\\', 'é', '€', '😀') })
const anyExtension = fc
  .string({ unit: fc.constantFrom(...'abcxyz019'), minLength: 1, maxLength: 20 })
  .map(name => `x${name}`)

/** Data whose kind its content type tells: JSON, text, bytes, or none. */
const anyToldData: fc.Arbitrary<JsonObject> = fc.oneof(
  anyJson.map(data => ({ data })),
  anyJson.map(data => ({ data, datacontenttype: 'application/json' })),
  anyJson.map(data => ({ data, datacontenttype: 'application/vnd.x+json; charset=utf-8' })),
  fc.string({ minLength: 1, unit: 'grapheme' }).map(data => ({ data, datacontenttype: 'text/plain' })),
  fc.constant({ data: '<much wow="xml"/>', datacontenttype: 'application/xml' }),
  fc.uint8Array({ minLength: 1 }).map(bytes => ({ data_base64: Buffer.from(bytes).toString('base64') })),
  fc.uint8Array({ minLength: 1 }).map(bytes => ({
    data_base64: Buffer.from(bytes).toString('base64'),
    datacontenttype: 'image/png',
  })),
  fc.constant({}),
  fc.constant({ datacontenttype: 'text/plain' }),
)

const anyTypeOfText = fc.constantFrom('text/plain', 'text/plain; charset=utf-8', 'application/xml')

/** Data of which a content type tells another kind. */
const anyAmbiguousData: fc.Arbitrary<JsonObject> = fc.oneof(
  anyTypeOfText.map(datacontenttype => ({ data: '', datacontenttype })),
  fc.tuple(fc.string({ unit: 'grapheme' }), anyTypeOfText).map(([text, datacontenttype]) => ({
    data_base64: Buffer.from(text).toString('base64'),
    datacontenttype,
  })),
  anyJson.map(json => ({
    data_base64: Buffer.from(JSON.stringify(json)).toString('base64'),
    datacontenttype: 'application/json',
  })),
  fc.constant({ data_base64: '' }),
  fc.constant({ data_base64: '', datacontenttype: 'image/png' }),
  fc.constant({ data_base64: '/wA=', datacontenttype: 'application/json' }),
  fc.string({ unit: 'grapheme' }).map(data => ({ data, datacontenttype: 'application/octet-stream' })),
)

const anyAttributes: fc.Arbitrary<JsonObject> = fc.record(
  {
    specversion: fc.constant('1.0'),
    id: attributeText.map(text => `i${text}`),
    source: fc.constantFrom(
      '/mycontext',
      'urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66',
      'https://a.example/x?y=1#z',
    ),
    type: attributeText.map(text => `t${text}`),
    time: fc.constantFrom(
      '2018-04-05T17:31:00Z',
      '2018-04-05T17:31:00.000Z',
      '2018-04-05T17:31:00.123456789Z',
      '2018-04-05T17:31:00.12345678901234567890Z',
      '2018-04-05T17:31:00.12300000000000000000+00:00',
      '2018-04-05T17:31:00.5+02:00',
      '1999-12-31t23:59:59.999z',
    ),
    subject: attributeText.map(text => `s${text}`),
    dataschema: fc.constant('https://schemas.example/v1.json'),
    traceparent: fc.constantFrom('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'not-a-trace'),
  },
  { requiredKeys: ['specversion', 'id', 'source', 'type'], noNullPrototype: true },
)

const anyCloudEvent = cloudEventWith(fc.oneof(anyToldData, anyAmbiguousData))
const anyBinaryEvent = cloudEventWith(anyToldData)

function cloudEventWith(anyData: fc.Arbitrary<JsonObject>): fc.Arbitrary<CloudEvent> {
  return fc
    .tuple(
      fc.dictionary(anyExtension, fc.oneof(fc.boolean(), fc.integer(), attributeText), {
        maxKeys: 3,
        noNullPrototype: true,
      }),
      anyAttributes,
      anyData,
    )
    .map(([extensions, attributes, data]) => ({ ...extensions, ...attributes, ...data }))
    .filter(event => !Object.values(event).some(value => Object.is(value, -0)))
}

/** Of what the SDK can write itself: header values in ASCII without percent signs, which it does not encode. */
const anySdkEvent = fc
  .record({
    id: fc.string({ unit: fc.constantFrom('a', '1', '-'), minLength: 1 }),
    type: fc.constant('com.example.some event'),
    source: fc.constant('/s'),
    time: fc.constant('2018-04-05T17:31:00.000Z'),
    subject: fc.constantFrom('plain', 'a "quoted" subject'),
    data: fc.oneof(
      fc.dictionary(fc.constantFrom('a', 'b'), fc.integer(), { noNullPrototype: true }),
      fc.array(fc.integer()),
      fc.uint8Array({ minLength: 1 }),
    ),
    anextension: fc.oneof(fc.boolean(), fc.constant('x y')),
  })
  .map(({ data, ...attributes }) => {
    const datacontenttype = data instanceof Uint8Array ? 'application/octet-stream' : 'application/json'
    return new SdkCloudEvent<object>({ ...attributes, datacontenttype, data })
  })
