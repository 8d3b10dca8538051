import { createHash } from 'node:crypto'
import oracle from 'canonicalize'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type PacketHeader, packetId } from '../../../src/core/log/packet-header.ts'
import { roundId } from '../../../src/core/rounds/round.ts'
import {
  documentBytes,
  inputHash,
  type RoundDocument,
  readRoundDocument,
  roundIdOf,
  writeRoundDocument,
} from '../../../src/core/rounds/round-document.ts'
import { markAt, sampleEvent, sealAll, segmentOf } from '../log/sample-log.ts'

const [p0, p1, p2] = sealAll(
  [2, 4, 6].map(upTo => ({
    segments: [segmentOf(upTo - 2, [sampleEvent(upTo - 2), sampleEvent(upTo - 1)])],
    mark: markAt(upTo),
  })),
).map(({ header }) => header)
if (p0 === undefined || p1 === undefined || p2 === undefined) throw new Error('three packets')

const elsewhere: PacketHeader = { ...p0, partition: 9, policyDigest: '0b'.repeat(32) }
// Its declaration describes a default export that Node does not see as one.
const canonicalize = oracle as unknown as typeof oracle.default

const hex32 = 'cd'.repeat(32)

const document: RoundDocument = {
  v: 1,
  try: 1,
  headers: [p1, elsewhere, p2],
  partitions: [
    {
      streamId: p1.streamId,
      partition: 3,
      parent: { packetId: packetId(p0), versionId: hex32 },
      stateIn: hex32,
    },
    { streamId: p1.streamId, partition: 9, parent: null, stateIn: null },
  ],
  policies: [
    { digest: elsewhere.policyDigest, locations: [] },
    { digest: p1.policyDigest, locations: ['https://log.example/policies/1', 'uhrp://2'] },
  ],
}

function faultOf(broken: unknown): string {
  const outcome = readRoundDocument(canonicalize(broken) ?? '')
  return outcome.ok
    ? 'accepted'
    : `${outcome.fault.code} at ${outcome.fault.pointer}: ${outcome.fault.detail}`
}

describe('a round document', () => {
  test('is read back as it was written, in its one canonical spelling', () => {
    const text = writeRoundDocument(document)
    expect(text).toBe(canonicalize(document))
    expect(readRoundDocument(text)).toEqual({ ok: true, value: document })
    expect(readRoundDocument(` ${text}`)).toMatchObject({ ok: false, fault: { code: 'json-unreadable' } })
  })

  test('is named by the hash of its bytes, and names its round', () => {
    const bytes = writeRoundDocument(document)
    expect(inputHash(document)).toBe(createHash('sha256').update(bytes).digest('hex'))
    expect(roundIdOf({ ...document, try: 3 })).toBe(roundId(3, [p1, elsewhere, p2].map(packetId)))
  })

  test('is never longer than its packets were said to make it', () => {
    const locations = new Map(document.policies.map(policy => [policy.digest, policy.locations]))
    const shares = document.headers.map(header =>
      documentBytes(header, locations.get(header.policyDigest) ?? []),
    )
    const bytes = Buffer.byteLength(writeRoundDocument(document))
    const bound = shares.reduce((sum, share) => sum + share, 0)
    expect(bytes).toBeLessThanOrEqual(bound)
    const alone = {
      ...document,
      try: 0xffff_ffff,
      headers: [p1],
      partitions: document.partitions.slice(0, 1),
    }
    const own = { ...alone, policies: document.policies.slice(1) }
    expect(documentBytes(p1, locations.get(p1.policyDigest) ?? [])).toBe(
      Buffer.byteLength(writeRoundDocument(own)),
    )
  })

  const start = document.partitions[0]
  test.each<[string, RegExp, unknown]>([
    ['a member nobody knows', /at \/hint/, { ...document, hint: 1 }],
    ['a member that is missing', /at \/try/, { ...document, try: undefined }],
    ['try 0', /at \/try/, { ...document, try: 0 }],
    ['no packet', /at \/headers: .*at least one/, { ...document, headers: [] }],
    ['more packets than a round may have', /at \/headers/, { ...document, headers: Array(65).fill(p1) }],
    [
      'a header that is none',
      /round-invalid at \/headers\/1\/root/,
      { ...document, headers: [p1, { ...elsewhere, root: 'x' }, p2] },
    ],
    ['two levels', /one level/, { ...document, headers: [p1, { ...elsewhere, level: 'basic' }, p2] }],
    [
      'two audiences',
      /one audience/,
      { ...document, headers: [p1, { ...elsewhere, audience: 'restricted' }, p2] },
    ],
    ['two logs', /one log/, { ...document, headers: [p1, { ...elsewhere, log: `03${hex32}` }, p2] }],
    ['two networks', /one network/, { ...document, headers: [p1, { ...elsewhere, network: 'testnet' }, p2] }],
    [
      'packets of a partition out of order',
      /ascend by packetNo/,
      { ...document, headers: [p2, elsewhere, p1] },
    ],
    ['a packet twice', /ascend by packetNo/, { ...document, headers: [p1, elsewhere, p1] }],
    [
      'neighbours of different chains',
      /not the id of the packet before/,
      { ...document, headers: [p1, elsewhere, { ...p2, previous: hex32 }] },
    ],
    ['a partition that has no packet', /at \/partitions/, { ...document, headers: [p1, p2] }],
    [
      'a packet whose partition is missing',
      /at \/partitions/,
      { ...document, partitions: document.partitions.slice(0, 1) },
    ],
    [
      'partitions in another order',
      /at \/partitions/,
      { ...document, partitions: document.partitions.toReversed() },
    ],
    [
      'state without a parent',
      /\/partitions\/0\/stateIn/,
      { ...document, partitions: [{ ...start, parent: null }, document.partitions[1]] },
    ],
    [
      'a parent for packet 0',
      /\/partitions\/1\/parent/,
      { ...document, partitions: [start, { ...document.partitions[1], parent: start?.parent }] },
    ],
    [
      'a policy that no header names',
      /at \/policies/,
      { ...document, policies: [...document.policies, { digest: hex32, locations: [] }] },
    ],
    ['a policy left out', /at \/policies/, { ...document, policies: document.policies.slice(1) }],
    ['policies out of order', /at \/policies/, { ...document, policies: document.policies.toReversed() }],
  ])('is refused with %s', (_, complaint, broken) => {
    expect(faultOf(broken)).toMatch(complaint)
  })

  test('of one partition may leave out packets that were decided before', () => {
    const gap = {
      ...document,
      headers: [p0, p2],
      partitions: [{ ...start, parent: null, stateIn: null }],
      policies: document.policies.slice(1),
    }
    expect(faultOf(gap)).toBe('accepted')
  })

  test('made of anything is answered with a fault, never a throw', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), text => {
        expect(readRoundDocument(text).ok).toBe(false)
      }),
      { numRuns: 2_000 },
    )
  })

  test('changed in any one character is refused, or is another document', () => {
    const text = writeRoundDocument(document)
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, letter) => {
        const changed = text.slice(0, at) + letter + text.slice(at + 1)
        fc.pre(changed !== text)
        const outcome = readRoundDocument(changed)
        if (outcome.ok) expect(inputHash(outcome.value)).not.toBe(inputHash(document))
      }),
      { numRuns: 1_000 },
    )
  })
})
