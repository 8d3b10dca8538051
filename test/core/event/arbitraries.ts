import fc from 'fast-check'
import { canonicalJson, type Json, type JsonObject } from '../../../src/core/canonical-json.ts'
import { classifications, type Envelope } from '../../../src/core/event/envelope.ts'
import type { Fault, Outcome } from '../../../src/core/fault.ts'

/** Well-formed Unicode, from plain letters to pairs of surrogates. */
const anyText = fc.string({
  unit: fc.oneof(fc.constantFrom('a', 'B', '0', ' ', '"', '\\', '\n', 'é', '€', '😀')),
})
export const anyName = fc.string({
  unit: fc.constantFrom('a', 'b', '-', '/', 'é', '😀'),
  minLength: 1,
  maxLength: 8,
})
export const anyTimeMs = fc.oneof(
  fc.integer({ min: 0, max: 4 }),
  fc.integer({ min: 0, max: 253_402_300_799_999 }),
  fc.constant(Number.MAX_SAFE_INTEGER),
)
const anyHash = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map(bytes => Buffer.from(bytes).toString('hex'))

const anyNumber = fc.oneof(
  fc.maxSafeInteger(),
  fc
    .double({ noNaN: true, noDefaultInfinity: true })
    .filter(n => Number.isSafeInteger(n) || !Number.isInteger(n)),
)

/** JSON that canonical JSON can say. */
export const anyJson: fc.Arbitrary<Json> = fc.letrec<{ json: Json }>(tie => ({
  json: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.oneof(anyText, anyNumber, fc.boolean(), fc.constant(null)),
    fc.array(tie('json'), { maxLength: 4 }),
    fc.dictionary(
      anyText.filter(key => key !== '__proto__'),
      tie('json'),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
})).json

/** Whatever a stranger could send, from plausible members to nonsense. */
export const anyMess: fc.Arbitrary<Json> = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>

const optionalMembers = {
  nativeId: anyName,
  sourceSeq: fc.bigInt(0n, 0xffff_ffff_ffff_ffffn).map(String),
  revises: anyHash,
  sourceUri: anyName,
  confidence: fc.integer({ min: 0, max: 10_000 }),
  traceparent: fc.constant('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'),
  tenantId: anyName,
  correlationId: anyName,
  causationId: anyName,
  userId: anyName,
  policyTags: fc.array(fc.constantFrom('PII', 'SENSITIVE', 'open'), { maxLength: 3 }),
  classification: fc.constantFrom(...classifications),
  schemaRef: anyName,
  originSignature: anyJson,
  originSource: anyName,
  transformations: fc.array(
    fc.record(
      { operation: anyName, timestampMs: anyTimeMs, userId: anyName },
      { requiredKeys: ['operation', 'timestampMs'] },
    ),
    { maxLength: 2 },
  ),
  blind: anyHash,
}

const requiredMembers = {
  schemaVersion: fc.constant(1 as const),
  eventId: anyHash,
  sourceId: anyName,
  sourceVersion: anyName,
  connectorId: anyName,
  connectorVersion: anyName,
  streamId: anyName,
  partitionKey: anyName,
  domain: anyName,
  type: anyName,
  payloadType: anyName,
  dataVersion: anyName,
  eventTimeMs: anyTimeMs,
  ingestTimeMs: anyTimeMs,
  payload: anyJson,
  qualityFlags: fc.integer({ min: 0, max: 0x7fff }),
}

export const anyEnvelope: fc.Arbitrary<Envelope> = fc.record(
  { ...requiredMembers, ...optionalMembers },
  { requiredKeys: Object.keys(requiredMembers) as (keyof typeof requiredMembers)[], noNullPrototype: true },
)

/** The same value with every object's keys in reverse order. */
export function reordered(value: Json): Json {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(reordered)
  return Object.fromEntries(
    Object.entries(value as JsonObject)
      .reverse()
      .map(([key, inner]) => [key, reordered(inner)]),
  )
}

export const sampleEnvelope: Envelope = {
  schemaVersion: 1,
  eventId: 'ab'.repeat(32),
  sourceId: 'farm-001',
  sourceVersion: '1',
  connectorId: 'http',
  connectorVersion: '1',
  streamId: 'sensors.temperature',
  partitionKey: 'sensors.temperature',
  domain: 'iot',
  type: 'sensor_reading',
  payloadType: 'SENSOR_READING_V1',
  dataVersion: '1',
  eventTimeMs: 1_705_314_600_000,
  ingestTimeMs: 1_705_314_600_120,
  payload: { sensorId: 'temp_001', unit: 'celsius', value: 23.5 },
  qualityFlags: 0,
}

export function faultOf(outcome: Outcome<unknown>): Fault {
  if (outcome.ok) throw new Error(`a fault was wanted, not ${JSON.stringify(outcome.value)?.slice(0, 200)}`)
  return outcome.fault
}

/** Through text and back, as on the wire. */
export function reparsed(value: Json): Json {
  return JSON.parse(canonicalJson(value))
}
