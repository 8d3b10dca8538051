import { describe, expect, test } from 'vitest'
import { type PacketHeader, packetId } from '../../../src/core/log/packet-header.ts'
import { continues, forkEvidence } from '../../../src/core/log/succession.ts'
import { faultOf } from '../event/arbitraries.ts'
import { markAt, sampleEvent, sealAll, segmentOf, totalsOf } from './sample-log.ts'

const [first, second] = sealAll([
  { segments: [segmentOf(0, [sampleEvent(0)])], mark: markAt(1) },
  { segments: [segmentOf(1, [sampleEvent(1)])], mark: markAt(2) },
]).map(packet => packet.header) as [PacketHeader, PacketHeader]

describe('the next header of a partition', () => {
  test('continues the one before it', () => {
    expect(continues(null, first)).toEqual({ ok: true, value: first })
    expect(continues(first, second)).toEqual({ ok: true, value: second })
  })

  test('does not begin in the middle, nor repeat', () => {
    expect(continues(null, second).ok).toBe(false)
    expect(continues(first, first).ok).toBe(false)
  })

  test.each<[Partial<PacketHeader>]>([
    [{ log: `03${'22'.repeat(32)}` }],
    [{ streamId: 'other' }],
    [{ partition: 4 }],
    [{ level: 'basic' }],
    [{ audience: 'restricted' }],
    [{ network: 'mainnet' }],
    [{ packetNo: 2 }],
    [{ previous: '00'.repeat(32) }],
    [{ firstSeq: 2 }],
    [{ watermarkMs: 0 }],
    [{ totals: { ...totalsOf(2), rejected: 0 } }],
  ])('is refused with %j', change => {
    expect(faultOf(continues(first, { ...second, ...change })).code).toBe('header-invalid')
  })

  test('may count fewer in quarantine: they were released or waived', () => {
    const totals = { ...totalsOf(2), quarantined: 0, waived: 1, received: 6 }
    const before = { ...first, totals: { ...totalsOf(1), quarantined: 1, received: 5 } }
    expect(continues(before, { ...second, totals, previous: packetId(before) }).ok).toBe(true)
  })
})

describe('two headers of one place in a log', () => {
  const other = { ...first, watermarkMs: first.watermarkMs + 1 }

  test('are evidence of a fork when they differ, in whichever order they were found', () => {
    const evidence = forkEvidence(first, other)
    expect(evidence).toMatchObject({ log: first.log, streamId: first.streamId, partition: 3, packetNo: 0 })
    expect(new Set(evidence?.packetIds)).toEqual(new Set([packetId(first), packetId(other)]))
    expect(forkEvidence(other, first)).toEqual(evidence)
  })

  test('are none when they are the same, or of different places', () => {
    expect(forkEvidence(first, { ...first })).toBeUndefined()
    expect(forkEvidence(first, second)).toBeUndefined()
    for (const elsewhere of [{ log: `03${'22'.repeat(32)}` }, { streamId: 'other' }, { partition: 4 }])
      expect(forkEvidence(first, { ...other, ...elsewhere })).toBeUndefined()
  })
})
