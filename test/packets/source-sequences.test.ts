import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { orThrow } from '../../src/core/fault.ts'
import { sealPacket } from '../../src/core/log/packet.ts'
import {
  missingIn,
  rangesOf,
  type SourceSequence,
  sequencesIn,
  withRanges,
} from '../../src/packets/source-sequences.ts'
import { markAt, record, sampleEvent, segmentOf } from '../core/log/sample-log.ts'

function noted(packets: readonly (readonly number[])[], gapsMax?: number): SourceSequence | undefined {
  let sequence: SourceSequence | undefined
  for (const numbers of packets) sequence = withRanges(sequence, rangesOf(numbers.map(BigInt)), gapsMax)
  return sequence
}

describe('what a source has used of its sequence', () => {
  test('has a gap where a number is left out, which closes when it comes', () => {
    expect(noted([[5, 6, 9]])).toEqual({ lowest: 5n, highest: 9n, gaps: [[7n, 8n]], forgotten: 0 })
    expect(
      noted([
        [5, 6, 9],
        [8, 7],
      ]),
    ).toEqual({ lowest: 5n, highest: 9n, gaps: [], forgotten: 0 })
    expect(noted([[5], [3]])).toEqual({ lowest: 3n, highest: 5n, gaps: [[4n, 4n]], forgotten: 0 })
  })

  test('is the same in whatever order and packets it comes', () => {
    const numbers = fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(fc.array(numbers, { minLength: 1, maxLength: 5 }), packets => {
        const all = [...new Set(packets.flat())].sort((a, b) => a - b)
        const sequence = noted(packets)
        if (sequence === undefined) throw new Error('something was used')
        expect(sequence).toEqual(noted([all]))
        expect([sequence.lowest, sequence.highest]).toEqual([BigInt(all[0] ?? 0), BigInt(all.at(-1) ?? 0)])
        expect(missingIn(sequence)).toBe(sequence.highest - sequence.lowest + 1n - BigInt(all.length))
      }),
    )
  })

  test('remembers a bounded number of gaps, the latest', () => {
    expect(noted([[0, 2, 4, 6]], 2)).toEqual({
      ...{ lowest: 0n, highest: 6n, forgotten: 1 },
      gaps: [
        [3n, 3n],
        [5n, 5n],
      ],
    })
  })

  test('is read from the lines of a packet, by source, and not from what payloads say', () => {
    const events = [
      sampleEvent(0, { sourceId: 'b', sourceSeq: '18446744073709551615' }),
      sampleEvent(1, { sourceId: 'a"b', sourceSeq: '7', payload: { sourceSeq: '9' } }),
      sampleEvent(2, { sourceId: 'b', payload: { sourceSeq: '9', qualityFlags: 1, sourceId: 'c' } }),
    ]
    const packet = orThrow(sealPacket(record, null, [segmentOf(0, events)], markAt(3)))
    const streamId = record.streamId
    expect(sequencesIn(packet)).toEqual([
      { sourceId: 'a"b', streamId, ranges: [[7n, 7n]] },
      { sourceId: 'b', streamId, ranges: [[18446744073709551615n, 18446744073709551615n]] },
    ])
  })
})
