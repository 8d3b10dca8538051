import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson, type Json } from '../../../src/core/canonical-json.ts'
import { composeEnvelope } from '../../../src/core/event/compose-envelope.ts'
import { constantMembers, eventLine, type LineConstants } from '../../../src/core/event/line.ts'
import { type LineOf, lineWriter, type SharedByLines } from '../../../src/core/event/line-writer.ts'
import { anyJson, anyName, anyTimeMs } from './arbitraries.ts'

const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map(each => Buffer.from(each).toString('hex'))
const optional = <T>(member: string, value: fc.Arbitrary<T>) =>
  fc.option(value, { nil: undefined }).map(each => (each === undefined ? {} : { [member]: each }))
const members = (...parts: fc.Arbitrary<object>[]) =>
  fc.tuple(...parts).map(each => Object.assign({}, ...each))

const anyShared = members(
  ...(
    [
      'sourceId',
      'sourceVersion',
      'connectorId',
      'connectorVersion',
      'streamId',
      'domain',
      'type',
      'payloadType',
      'dataVersion',
    ] as const
  ).map(member => anyName.map(name => ({ [member]: name }))),
  optional('streamKey', fc.uint8Array({ minLength: 32, maxLength: 32 })),
) as fc.Arbitrary<SharedByLines>

const anyEvent = (payload: Json) =>
  fc.record({
    submission: members(
      fc.constant({ payload }),
      optional('type', fc.oneof(anyName, fc.constant(''), fc.constant('\ud800'))),
      fc
        .oneof({ weight: 3, arbitrary: fc.constant({}) }, fc.constant({ tenantId: 'acme', confidence: 7 }))
        .map(carried => ({ carried })),
      optional('cloudEvent', fc.constant({ specversion: '1.0', id: 'x', source: '/s', type: 't' })),
    ),
    stated: members(
      optional('nativeId', anyName),
      optional('sourceSeq', fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String)),
      optional('eventTime', fc.constantFrom({ ms: 5 }, { ms: 5, text: '1970-01-01T01:00:00.005+01:00' })),
    ),
    identified: members(
      hex(32).map(eventId => ({ kind: 'event', eventId, dedup: 'none' })),
      anyTimeMs.map(eventTimeMs => ({ eventTimeMs })),
      fc.nat({ max: 0x7fff }).map(flags => ({ flags })),
      optional('revises', hex(32)),
    ),
    ingestTimeMs: anyTimeMs,
    partitionKey: fc.oneof(anyName, fc.constant('x'.repeat(300))),
    payloadJcs: fc.constant(canonicalJson(payload)),
  }) as fc.Arbitrary<LineOf>

describe('the writer of lines', () => {
  test('writes what the envelope says, byte for byte, or the same refusal', () => {
    fc.assert(
      fc.property(
        anyShared,
        fc.subarray([...constantMembers]),
        fc.array(anyJson.chain(anyEvent), { minLength: 1, maxLength: 6 }),
        (shared, declared, events) => {
          const known: Record<string, unknown> = { schemaVersion: 1, ...shared }
          const constants = Object.fromEntries(
            declared.flatMap(member => (known[member] === undefined ? [] : [[member, known[member]]])),
          ) as LineConstants
          const write = lineWriter(shared, constants)
          for (const event of events) {
            const { submission, stated, identified, partitionKey, ingestTimeMs, payloadJcs } = event
            const envelope = composeEnvelope(
              submission,
              { ...shared, ingestTimeMs, partitionKey },
              stated,
              identified,
            )
            expect(write(event)).toEqual(eventLine(envelope, constants, payloadJcs))
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})
