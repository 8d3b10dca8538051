import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json, JsonObject } from '../../../src/core/canonical-json.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { type PacketHeader, packetId, readPacketHeader } from '../../../src/core/log/packet-header.ts'
import { anyMess, faultOf, reparsed } from '../event/arbitraries.ts'
import { markAt, sampleEvent, sealAll, segmentOf, totalsOf } from './sample-log.ts'

const events = [sampleEvent(0), sampleEvent(1, { sourceId: 'farm-002' })]
const [full, empty] = sealAll([
  { segments: [segmentOf(0, events)], mark: markAt(2) },
  { segments: [], mark: markAt(2) },
]).map(packet => reparsed(packet.header) as JsonObject) as [JsonObject, JsonObject]

describe('a packet header', () => {
  test('is read back as it was written, with or without events', () => {
    expect(readPacketHeader(full)).toEqual({ ok: true, value: full })
    expect(readPacketHeader(empty)).toEqual({ ok: true, value: empty })
  })

  test('has every member and no other', () => {
    for (const member of Object.keys(full)) {
      const { [member]: _left, ...rest } = full
      expect(faultOf(readPacketHeader(rest))).toMatchObject({ code: 'header-invalid', pointer: `/${member}` })
    }
    expect(faultOf(readPacketHeader({ ...full, extra: 1 })).pointer).toBe('/extra')
  })

  test.each<[string, Json]>([
    ['v', 2],
    ['log', '11'.repeat(33)],
    ['log', `02${'AA'.repeat(32)}`],
    ['streamId', ''],
    ['partition', -1],
    ['partition', 65_536],
    ['level', 'extreme'],
    ['audience', 'private'],
    ['packetNo', 1],
    ['packetNo', 2 ** 53],
    ['firstSeq', 1],
    ['count', 3],
    ['count', 0],
    ['root', 'AA'.repeat(32)],
    ['bytes', 1],
    ['bytes', 2 ** 40],
    ['rawHash', 'aa'],
    ['previous', 'aa'.repeat(32)],
    ['firstEventTimeMs', null],
    ['firstEventTimeMs', 5000],
    ['lastEventTimeMs', null],
    ['watermarkMs', -1],
    ['policyDigest', null],
    ['rosterDigest', 'zz'.repeat(32)],
    ['totals', { ...totalsOf(2), received: 4 }],
    ['totals', totalsOf(3)],
    ['totals', { ...totalsOf(2), other: 0 }],
    ['totals', { ...totalsOf(2), waived: -1, received: 4 }],
    ['sources', []],
    ['sources', [source('b'), source('a')]],
    ['sources', [source('a'), source('a')]],
    ['sources', [source('a'), source('b'), source('c')]],
    ['sources', [{ sourceId: 'a', authenticated: 'yes' }]],
    ['constants', { eventId: 'ab'.repeat(32) }],
    ['constants', { streamId: 'other' }],
    ['network', 'moon'],
  ])('is refused for its %s %j', (member, value) => {
    expect(faultOf(readPacketHeader({ ...full, [member]: value })).code).toBe('header-invalid')
  })

  test.each<[string, Json]>([
    ['root', 'aa'.repeat(32)],
    ['rawHash', 'aa'.repeat(32)],
    ['bytes', 2],
    ['firstEventTimeMs', 1000],
    ['lastEventTimeMs', 1000],
    ['sources', [source('a')]],
    ['constants', { domain: 'iot' }],
    ['previous', null],
  ])('of no events is refused for its %s %j', (member, value) => {
    expect(faultOf(readPacketHeader({ ...empty, [member]: value })).pointer).toBe(`/${member}`)
  })

  test('of no events is never the first: a watermark moves on from something', () => {
    const first = { ...empty, packetNo: 0, previous: null, firstSeq: 0, totals: totalsOf(0) }
    expect(faultOf(readPacketHeader(first)).pointer).toBe('/firstSeq')
  })

  test('never throws over a malformed member, and has another id with any other value', () => {
    const id = packetId(orThrow(readPacketHeader(full)))
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(full)), fc.oneof(anyMess, fc.nat()), (member, value) => {
        const read = readPacketHeader({ ...full, [member]: value })
        if (read.ok && JSON.stringify(value) !== JSON.stringify(full[member]))
          expect(packetId(read.value)).not.toBe(id)
        if (!read.ok) expect(read.fault.code).toBe('header-invalid')
      }),
      { numRuns: 1500 },
    )
  })

  test('has another id for every character that was changed', () => {
    const text = JSON.stringify(full)
    const id = packetId(full as unknown as PacketHeader)
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom('0', '1', 'a', 'f', 'x'), (at, char) => {
        fc.pre(text[at] !== char)
        const changed = parsedOrUndefined(text.slice(0, at) + char + text.slice(at + 1))
        if (changed !== undefined) expect(packetId(changed as PacketHeader)).not.toBe(id)
      }),
      { numRuns: 1000 },
    )
  })
})

function source(sourceId: string): JsonObject {
  return { sourceId, authenticated: 'none' }
}

function parsedOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The change made it no JSON at all, so there is no header that could have the same id.
    return undefined
  }
}
