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

/** What a prototype would answer, and what a careless comparison or template would call. */
const hostileKeys = ['valueOf', 'toString', 'constructor', 'length', '__proto__', 'hasOwnProperty', 'then']

/** Whatever a stranger could send, from plausible members to nonsense made to be tripped over. */
export const anyMess: fc.Arbitrary<Json> = fc.letrec<{ json: Json }>(tie => ({
  json: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.jsonValue({ maxDepth: 1 }) as fc.Arbitrary<Json>,
    fc.array(tie('json'), { maxLength: 4 }),
    fc
      .array(fc.tuple(fc.oneof(fc.constantFrom(...hostileKeys), fc.string()), tie('json')), { maxLength: 4 })
      // Entries, as a parser makes members: also one of the name __proto__.
      .map(members => Object.fromEntries(members)),
  ),
})).json

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

/** As many lists in each other. */
export function nested(levels: number): Json {
  return levels === 0 ? 1 : [nested(levels - 1)]
}

export function faultOf(outcome: Outcome<unknown>): Fault {
  if (outcome.ok) throw new Error(`a fault was wanted, not ${JSON.stringify(outcome.value)?.slice(0, 200)}`)
  return outcome.fault
}

/** Through text and back, as on the wire. */
export function reparsed(value: Json): Json {
  return JSON.parse(canonicalJson(value))
}
