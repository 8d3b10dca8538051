import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson } from '../../../src/core/canonical-json.ts'
import type { Envelope } from '../../../src/core/event/envelope.ts'
import { orThrow } from '../../../src/core/fault.ts'
import type { SealMark, Segment } from '../../../src/core/log/entries.ts'
import {
  againstHeader,
  checkPacketBytes,
  hashLines,
  openPacket,
  sealPacket,
} from '../../../src/core/log/packet.ts'
import { type PacketHeader, packetId } from '../../../src/core/log/packet-header.ts'
import { leafHash } from '../../../src/core/merkle.ts'
import { faultOf, reparsed } from '../event/arbitraries.ts'
import { anyLog, markAt, record, sampleEvent, sealAll, segmentOf, totalsOf } from './sample-log.ts'

const events = [0, 1, 2].map(seq => sampleEvent(seq))
const segment = segmentOf(0, events)
const [sealed] = sealAll([{ segments: [segment], mark: markAt(3) }])
const { header, bytes } = sealed ?? { header: undefined, bytes: new Uint8Array(0) }

describe('sealing a packet', () => {
  test('states of its events what the lines show', () => {
    expect(header).toMatchObject({
      packetNo: 0,
      firstSeq: 0,
      count: 3,
      bytes: segment.lines.length,
      rawHash: createHash('sha256').update(segment.lines).digest('hex'),
      previous: null,
      firstEventTimeMs: 1000,
      lastEventTimeMs: 1002,
      sources: [{ sourceId: 'farm-001', authenticated: 'hmac' }],
    })
  })

  test('gives every packetId again, bit for bit, from a copy of the log', () => {
    fc.assert(
      fc.property(anyLog, log => {
        const ids = sealAll(log).map(packet => packet.packetId)
        const copy = log.map(({ segments, mark }) => ({
          segments: segments.map(segment => ({ ...segment, lines: segment.lines.slice() })),
          mark: reparsed(mark) as SealMark,
        }))
        expect(sealAll(copy).map(packet => packet.packetId)).toEqual(ids)
        expect(new Set(ids).size).toBe(ids.length)
      }),
    )
  })

  test('does not depend on where appends ended within the packet', () => {
    const two = [segmentOf(0, events.slice(0, 1)), segmentOf(1, events.slice(1))]
    expect(sealAll([{ segments: two, mark: markAt(3) }])[0]?.packetId).toBe(sealed?.packetId)
  })

  test('chains packets by id, without a gap in their sequences', () => {
    fc.assert(
      fc.property(anyLog, log => {
        const packets = sealAll(log)
        for (const [i, { header }] of packets.entries()) {
          const before = packets[i - 1]
          expect(header.previous).toBe(before?.packetId ?? null)
          expect(header.firstSeq).toBe(before ? before.header.firstSeq + before.header.count : 0)
        }
      }),
    )
  })

  test('without events moves the watermark on and states nothing else', () => {
    const [, empty] = sealAll([
      { segments: [segment], mark: markAt(3) },
      { segments: [], mark: markAt(3, { watermarkMs: 5000 }) },
    ])
    expect(empty?.header).toMatchObject({
      count: 0,
      firstSeq: 3,
      root: createHash('sha256').digest('hex'),
      rawHash: createHash('sha256').digest('hex'),
      firstEventTimeMs: null,
      lastEventTimeMs: null,
      watermarkMs: 5000,
      sources: [],
      constants: {},
    })
  })

  test('takes a source for no better authenticated than its worst event', () => {
    const sources = [
      { sourceId: 'farm-001', authenticated: 'none' },
      { sourceId: 'a-farm', authenticated: 'identity' },
    ] as const
    const two = [
      { ...segmentOf(0, events.slice(0, 2)), sources: [...sources] },
      segmentOf(2, events.slice(2)),
    ]
    expect(sealAll([{ segments: two, mark: markAt(3) }])[0]?.header.sources).toEqual([sources[1], sources[0]])
  })

  test.each<[string, Segment[], SealMark]>([
    ['a segment of another partition', [{ ...segment, partition: 4 }], markAt(3)],
    ['a mark of another partition', [segment], markAt(3, { partition: 4 })],
    ['a gap between segments', [segmentOf(0, events.slice(0, 1)), segmentOf(2, events.slice(2))], markAt(3)],
    ['segments that begin too late', [segmentOf(1, events)], markAt(4)],
    ['a mark inside a segment', [segment], markAt(2)],
    [
      'an empty segment',
      [segment, { ...segment, firstSeq: 3, count: 0, lines: new Uint8Array(0) }],
      markAt(3),
    ],
    ['a policy that changed under way', [{ ...segment, policyDigest: 'cc'.repeat(32) }], markAt(3)],
    [
      'more lines than were counted',
      [{ ...segment, lines: new Uint8Array([...segment.lines, 123, 10]) }],
      markAt(3),
    ],
    ['a half line', [{ ...segment, lines: segment.lines.slice(0, -1) }], markAt(3)],
    ['an empty first packet', [], markAt(0)],
    ['totals that do not add up', [segment], markAt(3, { totals: { ...totalsOf(3), received: 99 } })],
    ['totals of another count', [segment], markAt(3, { totals: totalsOf(4) })],
  ])('refuses a log with %s', (_what, segments, mark) => {
    expect(faultOf(sealPacket(record, null, segments, mark)).code).toMatch(/^(log|header|packet)-invalid$/)
  })

  test('refuses constants that changed within a packet', () => {
    const two = [segmentOf(0, events.slice(0, 1)), { ...segmentOf(1, events.slice(1)), constants: {} }]
    expect(faultOf(sealPacket(record, null, two, markAt(3))).detail).toContain('constants')
  })

  test.each<[string, Partial<SealMark>]>([
    ['a watermark that went back', { watermarkMs: 0 }],
    ['totals that shrank', { totals: { ...totalsOf(3), duplicate: 0, received: 4 } }],
  ])('refuses %s', (_what, change) => {
    expect(faultOf(sealPacket(record, wanted(header), [], markAt(3, change))).code).toBe('header-invalid')
  })

  test('seals no second empty packet after the first: nothing could have changed', () => {
    const first = orThrow(sealPacket(record, wanted(header), [], markAt(3)))
    expect(sealPacket(record, first.header, [], markAt(3, { watermarkMs: 9000 })).ok).toBe(false)
  })
})

describe('the leaves of a packet', () => {
  test('are the RFC 6962 leaf hashes of its lines', () => {
    const anyLine = fc
      .uint8Array({ minLength: 1, maxLength: 300 })
      .map(line => line.map(byte => (byte === 10 ? 11 : byte)))
    fc.assert(
      fc.property(fc.array(anyLine, { maxLength: 20 }), lines => {
        const bytes = Buffer.concat(lines.flatMap(line => [line, Uint8Array.of(10)]))
        expect(orThrow(hashLines(bytes))).toEqual(new Uint8Array(Buffer.concat(lines.map(leafHash))))
      }),
    )
  })

  test('are those of whole lines only', () => {
    for (const text of ['a', 'a\nb', '\n', 'a\n\nb\n', '\na\n'])
      expect(hashLines(Buffer.from(text)).ok).toBe(false)
  })

  test('are no more than were asked for, which is known before any is hashed', () => {
    const lines = Buffer.from('a\n'.repeat(9))
    expect(orThrow(hashLines(lines, { linesMax: 9, bytesMax: 18 })).length).toBe(9 * 32)
    expect(faultOf(hashLines(lines, { linesMax: 8 })).detail).toContain('more than 8')
    expect(faultOf(hashLines(lines, { bytesMax: 17 })).detail).toContain('more than 17 bytes')
    // Empty lines are refused too, but only by hashing what comes before them.
    expect(faultOf(hashLines(Buffer.from('a\n\n\n'), { linesMax: 2 })).detail).toContain('more than 2')
    expect(faultOf(hashLines(Buffer.alloc(65_537, '\n'))).detail).toContain('more than 65536')
  })

  test('leave the bytes as they were', () => {
    const before = bytes.slice()
    hashLines(bytes)
    expect(bytes).toEqual(before)
  })
})

describe('opening a packet', () => {
  test('gives its events back in order', () => {
    expect(openPacket(wanted(header), bytes)).toEqual({ ok: true, value: events })
  })

  test('refuses bytes of which any one was changed, added or left out', () => {
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = bytes.map((byte, i) => (i === at ? byte ^ flip : byte))
        expect(checkPacketBytes(wanted(header), changed).ok).toBe(false)
      }),
      { numRuns: 1000 },
    )
    expect(checkPacketBytes(wanted(header), bytes.slice(1)).ok).toBe(false)
    expect(checkPacketBytes(wanted(header), new Uint8Array([...bytes, 10])).ok).toBe(false)
  })

  test('finds a header that lies about what its lines show', () => {
    const lies: Partial<PacketHeader>[] = [
      { firstEventTimeMs: 999 },
      { lastEventTimeMs: 1003 },
      { sources: [{ sourceId: 'other', authenticated: 'none' }] },
      { streamId: 'other', constants: { schemaVersion: 1, domain: 'iot' } },
      { constants: { ...wanted(header).constants, domain: '\ud800' } },
      { constants: { ...wanted(header).constants, type: 'repeated' } },
      { audience: 'restricted' },
    ]
    for (const lie of lies) expect(openPacket({ ...wanted(header), ...lie }, bytes).ok).toBe(false)
  })

  test.each<[string, Partial<Envelope>]>([
    ['stream', { streamId: 'other' }],
    ['source', { sourceId: 'other' }],
    ['time', { eventTimeMs: 999 }],
    ['time', { eventTimeMs: 1003 }],
    ['blind', { blind: 'ab'.repeat(32) }],
  ])('says how the %s of one event contradicts the header', (what, change) => {
    expect(againstHeader(wanted(header), sampleEvent(1, change))).toContain(what)
    expect(againstHeader(wanted(header), sampleEvent(1))).toBeUndefined()
  })

  test('says which line is none', () => {
    const lines = Buffer.from('{"not":"an event"}\n')
    const root = Buffer.from(orThrow(hashLines(lines))).toString('hex')
    const rawHash = createHash('sha256').update(lines).digest('hex')
    const lying = { ...wanted(header), count: 1, bytes: lines.length, root, rawHash }
    expect(faultOf(openPacket(lying, lines)).detail).toMatch(/^line 0: /)
  })
})

test('any change to a packet’s bytes or marks gives another packetId', () => {
  const ids = new Set([sealed?.packetId])
  for (let i = 0; i < 3; i++) {
    const changed = events.map((event, k) => (k === i ? { ...event, payload: { value: -1 } } : event))
    ids.add(orThrow(sealPacket(record, null, [segmentOf(0, changed)], markAt(3))).packetId)
  }
  ids.add(orThrow(sealPacket(record, null, [segment], markAt(3, { watermarkMs: 1 }))).packetId)
  ids.add(orThrow(sealPacket(record, null, [segment], markAt(3, { rosterDigest: '00'.repeat(32) }))).packetId)
  ids.add(
    orThrow(sealPacket({ ...record, partition: 3, level: 'basic' }, null, [segment], markAt(3))).packetId,
  )
  expect(ids.size).toBe(7)
})

test('a packetId is the tagged digest of the canonical header', () => {
  const document = Buffer.from(canonicalJson(wanted(header)))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(document.length)
  const preimage = Buffer.concat([Uint8Array.of(14), Buffer.from('assay:packet:1'), length, document])
  expect(packetId(wanted(header))).toBe(createHash('sha256').update(preimage).digest('hex'))
})

function wanted(header: PacketHeader | undefined): PacketHeader {
  if (header === undefined) throw new Error('the sample packet was sealed')
  return header
}
