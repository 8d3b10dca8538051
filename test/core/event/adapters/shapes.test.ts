import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json } from '../../../../src/core/canonical-json.ts'
import { fromCsvRow } from '../../../../src/core/event/adapters/csv-row.ts'
import { adapters, readSubmission, recognizeShape } from '../../../../src/core/event/adapters/recognize.ts'
import { orThrow } from '../../../../src/core/fault.ts'
import { anyMess, faultOf } from '../arbitraries.ts'

const bare = { ts: 1, val: 42, sensor: 'a' }

const overlay = {
  externalId: 'sensor_001_20240115_103000',
  eventType: 'sensor_reading',
  timestamp: '2024-01-15T10:30:00Z',
  data: { sensorId: 'temp_001', value: 23.5, unit: 'celsius', location: { lat: 40.7128, lng: -74.006 } },
}

const streaming = {
  id: '5f0c6c9e-4a3d-4a55-9a5e-0b6c1d2e3f40',
  type: 'entity.created',
  source: 'intelligence-platform',
  timestamp: 1_705_314_600_000,
  data: { entity: 'order', key: 4711 },
  metadata: { version: '2', correlationId: 'c', causationId: 'b', userId: 'u', tenantId: 'tenant-001' },
  provenance: {
    hash: 'ab'.repeat(32),
    signature: '3045',
    policyTags: ['PII'],
    classification: 'CONFIDENTIAL',
    source: 'crm',
    ingestionTime: 1_705_314_600_200,
    transformations: [{ operation: 'enrich', timestamp: 1_705_314_600_100, userId: 'u' }],
  },
}

const cloudEvent = { specversion: '1.0', id: '1', source: '/s', type: 't' }

describe('the shape of an item', () => {
  test.each<[string, Json]>([
    ['bare', bare],
    ['overlay', overlay],
    ['streaming', streaming],
    ['cloud-event', cloudEvent],
    ['bare', { id: 'x', type: 'reading', data: 5 }],
    ['bare', []],
    ['bare', null],
  ])('is recognised as %s', (shape, item) => {
    expect(recognizeShape(item)).toBe(shape)
  })

  test('is fixed by a source that names it: a CloudEvent can be read as a bare object', () => {
    expect(readSubmission(cloudEvent, 'bare')).toEqual({
      ok: true,
      value: { payload: cloudEvent, carried: {} },
    })
  })
})

describe('a bare object', () => {
  test('is all payload, and identified by the policy alone', () => {
    expect(readSubmission(bare)).toEqual({ ok: true, value: { payload: bare, carried: {} } })
  })

  test.each([[1], ['x'], [null], [[bare]]])('is not %j', item => {
    expect(readSubmission(item).ok).toBe(false)
  })
})

describe('an overlay submission', () => {
  test('gives its id, type, time and data', () => {
    expect(readSubmission(overlay)).toEqual({
      ok: true,
      value: {
        payload: overlay.data,
        nativeId: overlay.externalId,
        type: 'sensor_reading',
        eventTime: { ms: 1_705_314_600_000 },
        carried: {},
      },
    })
  })

  test('carries what else an envelope can say, and a time finer than milliseconds', () => {
    const item = {
      ...overlay,
      timestamp: '2024-01-15T10:30:00.123456Z',
      sourceSeq: 7,
      tenantId: 'acme',
      policyTags: ['PII'],
    }
    expect(orThrow(readSubmission(item))).toMatchObject({
      eventTime: { ms: 1_705_314_600_123, text: '2024-01-15T10:30:00.123456Z' },
      sourceSeq: '7',
      carried: { tenantId: 'acme', policyTags: ['PII'] },
    })
  })

  test.each<[string, Json]>([
    ['/extra', { ...overlay, extra: 1 }],
    ['/timestamp', { ...overlay, timestamp: '2024-02-30T10:30:00Z' }],
    ['/externalId', { ...overlay, externalId: '' }],
    ['/sourceSeq', { ...overlay, sourceSeq: -1 }],
    ['/eventType', { ...overlay, eventType: 5 }],
    ['/classification', { ...overlay, classification: 'public' }],
  ])('is refused with a pointer to %s', (pointer, item) => {
    expect(faultOf(readSubmission(item))).toMatchObject({ code: 'event-unreadable', pointer })
  })
})

describe('a streaming event', () => {
  test('keeps everything it says: metadata and provenance become envelope members', () => {
    expect(readSubmission(streaming)).toEqual({
      ok: true,
      value: {
        payload: streaming.data,
        nativeId: streaming.id,
        type: 'entity.created',
        namedSource: 'intelligence-platform',
        eventTime: { ms: 1_705_314_600_000 },
        carried: {
          dataVersion: '2',
          correlationId: 'c',
          causationId: 'b',
          userId: 'u',
          tenantId: 'tenant-001',
          policyTags: ['PII'],
          classification: 'CONFIDENTIAL',
          originSource: 'crm',
          originSignature: { hash: 'ab'.repeat(32), signature: '3045', ingestionTimeMs: 1_705_314_600_200 },
          transformations: [{ operation: 'enrich', timestampMs: 1_705_314_600_100, userId: 'u' }],
        },
      },
    })
  })

  test('needs neither metadata nor provenance', () => {
    const { metadata: _m, provenance: _p, ...plain } = streaming
    expect(orThrow(readSubmission(plain)).carried).toEqual({})
  })

  test.each<[string, Json]>([
    ['/extra', { ...streaming, extra: 1 }],
    ['/metadata/other', { ...streaming, metadata: { other: 'x' } }],
    ['/provenance/classification', { ...streaming, provenance: { classification: 'PUBLIC' } }],
    [
      '/provenance/transformations/0/timestamp',
      { ...streaming, provenance: { transformations: [{ operation: 'x' }] } },
    ],
    ['/timestamp', { ...streaming, timestamp: 1.5 }],
    ['/id', { ...streaming, id: {} }],
  ])('is refused with a pointer to %s', (pointer, item) => {
    expect(faultOf(readSubmission(item))).toMatchObject({ code: 'event-unreadable', pointer })
  })
})

describe('a row of CSV', () => {
  test('is an object of texts under the names of its columns', () => {
    expect(fromCsvRow(['ts', 'val', 'note'], ['1', '42', ''])).toEqual({
      ok: true,
      value: { payload: { ts: '1', val: '42', note: '' }, carried: {} },
    })
  })

  test.each([
    [['a', 'b'], ['1']],
    [['a'], ['1', '2']],
    [
      ['a', 'a'],
      ['1', '2'],
    ],
    [
      ['a', ''],
      ['1', '2'],
    ],
    [['__proto__'], ['1']],
    [[], []],
    [['\ud800'], ['1']],
  ])('is refused with the header %j and the fields %j', (header, fields) => {
    expect(faultOf(fromCsvRow(header, fields)).code).toBe('event-unreadable')
  })
})

test('no shape throws over what somebody sent: malformed members give a fault', () => {
  const samples: { readonly [member: string]: Json }[] = [overlay, streaming, cloudEvent, bare]
  const anySlip = fc
    .constantFrom(...samples)
    .chain(sample =>
      fc.tuple(fc.constant(sample), fc.constantFrom(...Object.keys(sample)), anyMess, fc.boolean()),
    )
  let [read, refused] = [0, 0]
  fc.assert(
    fc.property(
      anySlip,
      fc.constantFrom(...Object.keys(adapters)),
      ([sample, member, mess, removed], shape) => {
        const { [member]: _old, ...rest } = sample
        const outcome = adapters[shape as keyof typeof adapters](removed ? rest : { ...rest, [member]: mess })
        if (outcome.ok) read++
        else refused++
      },
    ),
    { numRuns: 4000 },
  )
  expect(Math.min(read, refused)).toBeGreaterThan(100)
})
