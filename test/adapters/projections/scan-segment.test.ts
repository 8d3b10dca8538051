import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { scanSegment } from '../../../src/adapters/projections/scan-segment.ts'
import type { Json } from '../../../src/core/canonical-json.ts'
import type { Envelope } from '../../../src/core/event/envelope.ts'
import { eventLine, type LineConstants } from '../../../src/core/event/line.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { anyEnvelope, anyJson } from '../../core/event/arbitraries.ts'

const asBytes = (lines: readonly string[]) =>
  Buffer.from(lines.map(line => `${line}\n`).join('')).toString('latin1')

/** What a publisher could write to be taken for members of the envelope. */
const decoys = [
  'eventId',
  'eventTimeMs',
  'ingestTimeMs',
  'nativeId',
  'qualityFlags',
  'revises',
  'sourceId',
  'type',
]
const anyDecoy: fc.Arbitrary<Json> = fc
  .array(
    fc.tuple(
      fc.oneof(fc.constantFrom(...decoys), fc.constantFrom(...decoys.map(name => `","${name}":"`))),
      fc.oneof(
        anyJson,
        fc.constantFrom(...decoys.map(name => `"${name}":`)),
        fc.constantFrom(...decoys.map(name => `{"${name}":7,"`)),
      ),
    ),
    { maxLength: 6 },
  )
  .map(members => Object.fromEntries(members))

const anyEvent: fc.Arbitrary<Envelope> = fc
  .tuple(anyEnvelope, anyDecoy, anyDecoy)
  .map(([envelope, payload, originSignature]) => ({ ...envelope, payload, originSignature }))

describe('a scan of a segment', () => {
  test('finds in every line what reading it would, whatever a publisher puts into it', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { minLength: 1, maxLength: 4 }), fc.boolean(), (events, isConstant) => {
        const [first] = events
        const constants: LineConstants =
          isConstant && first !== undefined ? { sourceId: first.sourceId, type: first.type } : {}
        const alike = events.map(event => ({ ...event, ...constants }))
        const lines = alike.map(event => orThrow(eventLine(event, constants)))
        const bytes = asBytes(lines)
        const scanned = scanSegment(bytes, constants)
        expect(
          scanned.map(({ lineAt, lineBytes }) =>
            Buffer.from(bytes.slice(lineAt, lineAt + lineBytes), 'latin1').toString(),
          ),
        ).toEqual(lines)
        expect(scanned.map(({ lineAt: _at, lineBytes: _bytes, ...facts }) => facts)).toEqual(
          alike.map(event => ({
            eventId: event.eventId,
            eventTimeMs: event.eventTimeMs,
            ingestTimeMs: event.ingestTimeMs,
            nativeId: event.nativeId,
            flags: event.qualityFlags,
            revises: event.revises,
            sourceId: event.sourceId,
            type: event.type,
          })),
        )
      }),
    )
  })

  test('says which line it cannot make out', () => {
    expect(() => scanSegment('{"a":1}\n', {})).toThrow(/has no "eventId"/)
    expect(() => scanSegment('{"a":1}', {})).toThrow(/has no end/)
  })
})
