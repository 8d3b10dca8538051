import { describe, expect, test } from 'vitest'
import { canonicalJson, type Json } from '../../../src/core/canonical-json.ts'
import { changeLine, withFlags } from '../../../src/core/event/change-line.ts'
import { composeEnvelope } from '../../../src/core/event/compose-envelope.ts'
import type { IdentifiedEvent } from '../../../src/core/event/identity.ts'
import { eventLine, readLine } from '../../../src/core/event/line.ts'
import type { Submission } from '../../../src/core/event/submission.ts'
import { orThrow } from '../../../src/core/fault.ts'

const assigned = {
  sourceId: 's',
  sourceVersion: '1',
  connectorId: 'http',
  connectorVersion: '1',
  streamId: 'st',
  partitionKey: 'st',
  domain: 'generic',
  ingestTimeMs: 7,
  type: 'event',
  payloadType: 'GENERIC_JSON_V1',
  dataVersion: '1',
}
const [before, after] = ['aa'.repeat(32), 'bb'.repeat(32)]
const first: IdentifiedEvent = {
  kind: 'event',
  eventId: before,
  eventTimeMs: 5,
  flags: 0,
  dedup: 'native-id',
}
const now: IdentifiedEvent = { ...first, eventId: after, flags: 3, revises: before }

function lineOf(submission: Submission, identified: IdentifiedEvent, streamKey?: Uint8Array) {
  const withKey = streamKey === undefined ? assigned : { ...assigned, streamKey }
  return orThrow(
    eventLine(
      composeEnvelope(submission, withKey, { nativeId: 'n' }, identified),
      {},
      canonicalJson(submission.payload),
    ),
  )
}

describe('the line of an event that is somebody else after all', () => {
  const payload: Json = { text: 'with ,"qualityFlags":9 in it', 'a"b': [1, 2] }
  const cloudEvent = (id: string) => ({ specversion: '1.0', id, source: '/s', type: 'event' })
  test.each<[string, Submission, Uint8Array | undefined]>([
    ['plain', { payload, carried: {} }, undefined],
    ['with members of its own', { payload, carried: { tenantId: 'acme', confidence: 7 } }, undefined],
    ['blinded', { payload, carried: {} }, new Uint8Array(32).fill(9)],
    ['that came as a CloudEvent', { payload, carried: {}, cloudEvent: cloudEvent('x') }, undefined],
    [
      'a CloudEvent under the id it would have had',
      { payload, carried: {}, cloudEvent: cloudEvent(before) },
      undefined,
    ],
    [
      'a CloudEvent under the id it has now',
      { payload, carried: {}, cloudEvent: cloudEvent(after) },
      undefined,
    ],
  ])('is the line that it would have had from the beginning: %s', (_, submission, streamKey) => {
    const envelope = orThrow(readLine(lineOf(submission, first, streamKey), {}))
    const changed = changeLine(envelope, now, { constants: {}, ...(streamKey && { streamKey }) })
    expect(orThrow(changed)).toBe(lineOf(submission, now, streamKey))
  })

  test('has its flags where they are, whatever its payload says', () => {
    for (const flags of [0, 5, 32_767]) {
      const submission: Submission = { payload, carried: { transformations: [] } }
      expect(withFlags(lineOf(submission, { ...first, flags: 12 }), flags)).toBe(
        lineOf(submission, { ...first, flags }),
      )
    }
  })
})
