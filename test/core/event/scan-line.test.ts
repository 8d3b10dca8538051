import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson } from '../../../src/core/canonical-json.ts'
import { eventLine } from '../../../src/core/event/line.ts'
import { eventIdIn, ingestTimeIn, isSetAside, qualityFlagsIn } from '../../../src/core/event/scan-line.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { anyEnvelope } from './arbitraries.ts'

/** Payloads, texts and cloud attributes that try to be taken for the members that are looked for. */
const decoy = '"eventId":"","ingestTimeMs":7,"qualityFlags":7,"issues":'

describe('a line that is scanned', () => {
  test('tells its ingest time and flags as reading it would, whatever else it says', () => {
    fc.assert(
      fc.property(anyEnvelope, fc.constantFrom('', decoy), (envelope, text) => {
        const payload = {
          text,
          ingestTimeMs: 1,
          qualityFlags: 2,
          issues: [{ qualityFlags: 3 }],
          in: envelope.payload,
        }
        const event = { ...envelope, payload, userId: `u${text}`, domain: `d${text}` }
        const line = orThrow(eventLine(event, {}))
        expect([eventIdIn(line), ingestTimeIn(line), qualityFlagsIn(line), isSetAside(line)]).toEqual([
          event.eventId,
          event.ingestTimeMs,
          event.qualityFlags,
          false,
        ])
        const found = canonicalJson({ ...JSON.parse(line), issues: ['a', decoy] })
        expect([qualityFlagsIn(found), isSetAside(found)]).toEqual([event.qualityFlags, false])
      }),
      { numRuns: 1_000 },
    )
  })

  test('tells an entry from an event, also where hardly a member is left in the line', () => {
    const eventId = 'ab'.repeat(32)
    const entry = { eventId, issues: [decoy], qualityFlags: 257, quarantined: true, sourceId: decoy }
    expect([isSetAside(canonicalJson(entry)), qualityFlagsIn(canonicalJson(entry))]).toEqual([true, 257])
    const event = { eventId, eventTimeMs: 1, ingestTimeMs: 2, issues: ['x'], payload: entry, qualityFlags: 4 }
    expect([isSetAside(canonicalJson(event)), qualityFlagsIn(canonicalJson(event))]).toEqual([false, 4])
  })

  test.each(['', '{}', '{"ingestTimeMs":', '{"ingestTimeMs":"1"}', '{"ingestTimeMs":99999999999999999999}'])(
    'says nothing where there is nothing: %s',
    line => {
      expect([eventIdIn(line), ingestTimeIn(line), qualityFlagsIn(line), isSetAside(line)]).toEqual([
        undefined,
        undefined,
        undefined,
        false,
      ])
    },
  )
})
