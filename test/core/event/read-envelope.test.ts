import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json, JsonObject } from '../../../src/core/canonical-json.ts'
import { envelopeMembers, readEnvelope } from '../../../src/core/event/read-envelope.ts'
import { anyEnvelope, anyMess, faultOf, reparsed } from './arbitraries.ts'
import { sampleEnvelope } from './sample-envelope.ts'

describe('an envelope', () => {
  test('is read back as it was written', () => {
    fc.assert(
      fc.property(anyEnvelope, envelope => {
        const wire = reparsed(envelope)
        expect(readEnvelope(wire)).toEqual({ ok: true, value: wire })
      }),
      { numRuns: 500 },
    )
  })

  test('may have no member that is not known', () => {
    for (const key of ['seq', 'partition', 'extra', '__proto__', 'constructor', 'toString'])
      expect(faultOf(readEnvelope(JSON.parse(`{"${key}":1}`)))).toMatchObject({ pointer: `/${key}` })
  })

  test('names in its fault no member that is longer than a name', () => {
    const { detail, pointer } = faultOf(readEnvelope({ ...sampleEnvelope, ['secret'.repeat(50)]: 1 }))
    expect(`${detail}${pointer}`).not.toContain('secret')
  })

  test('lacks no required member', () => {
    for (const member of Object.keys(sampleEnvelope)) {
      const { [member as keyof typeof sampleEnvelope]: _left, ...rest } = sampleEnvelope
      expect(faultOf(readEnvelope(rest as JsonObject)).pointer).toBe(`/${member}`)
    }
  })

  test.each<[string, Json]>([
    ['schemaVersion', 2],
    ['eventId', 'AB'.repeat(32)],
    ['eventId', 'ab'.repeat(31)],
    ['sourceId', ''],
    ['streamId', 'x'.repeat(257)],
    ['type', '\udc00'],
    ['eventTimeMs', -1],
    ['eventTimeMs', 2 ** 53],
    ['ingestTimeMs', 1.5],
    ['qualityFlags', 2 ** 32],
    ['nativeId', 7],
    ['sourceSeq', '01'],
    ['sourceSeq', '18446744073709551616'],
    ['revises', 'x'],
    ['confidence', 10_001],
    ['traceparent', '00-00000000000000000000000000000000-b7ad6b7169203331-01'],
    ['traceparent', 'ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
    ['policyTags', ['']],
    ['policyTags', Array(65).fill('t')],
    ['classification', 'secret'],
    ['transformations', [{ operation: 'x' }]],
    ['transformations', [{ operation: 'x', timestampMs: 1, extra: 1 }]],
    ['originSignature', 'x'.repeat(9000)],
    ['originSignature', 2 ** 53],
    ['cloudEvent', []],
    ['cloudEvent', { Upper: 'x' }],
    ['cloudEvent', { fraction: 1.5 }],
    ['cloudEvent', { wide: 2 ** 31 }],
    ['cloudEvent', { list: [] }],
    ['blind', 'ab'],
    ['payload', { deep: [2 ** 53] }],
    ['payload', 'x'.repeat(1024 * 1024)],
  ])('is refused for its %s %.60j, with a pointer to it', (member, value) => {
    const { code, pointer } = faultOf(readEnvelope({ ...sampleEnvelope, [member]: value }))
    expect(code).toMatch(/^(event|json)-/)
    expect(pointer).toMatch(new RegExp(`^/${member}`))
  })

  test('never throws over what somebody sent, and takes nothing for an envelope that lacks its form', () => {
    const anyMember = fc.tuple(fc.constantFrom<string>(...envelopeMembers), anyMess)
    fc.assert(
      fc.property(anyMember, ([member, value]) => {
        const read = readEnvelope({ ...sampleEnvelope, [member]: value })
        if (!read.ok) expect(read.fault.pointer).toMatch(new RegExp(`^/${member}`))
        else expect(reparsed({ ...read.value })).toEqual(reparsed({ ...sampleEnvelope, [member]: value }))
      }),
      { numRuns: 2500 },
    )
    fc.assert(
      fc.property(anyMess, json => {
        expect(readEnvelope(json).ok).toBe(false)
      }),
      { numRuns: 500 },
    )
  })
})
