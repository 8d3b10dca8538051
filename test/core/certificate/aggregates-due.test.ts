import { describe, expect, test } from 'vitest'
import { AGGREGATE_PACKETS_MAX } from '../../../src/core/certificate/aggregate.ts'
import {
  type AggregatedPacket,
  nextRollup,
  nextWindow,
} from '../../../src/core/certificate/aggregates-due.ts'

const version = 'ab'.repeat(32)
const plan = { windowMs: 1_000, rollupEvery: 2 }

/** Events from this second of the window's time on. */
function packet(packetNo: number, seconds: number, more: Partial<AggregatedPacket> = {}): AggregatedPacket {
  const atMs = 10_000 + 1_000 * seconds
  return { packetNo, firstEventMs: atMs, watermarkMs: atMs, versionId: version, ...more }
}

describe('a window', () => {
  test('covers the packets whose events begin in it', () => {
    const packets = [packet(3, 0.5), packet(4, 0.9), packet(5, 1.2)]
    expect(nextWindow(packets, plan)).toEqual({
      kind: 'window',
      ...{ firstPacketNo: 3, lastPacketNo: 4, fromMs: 10_000, toMs: 11_000 },
    })
  })

  test('waits until no more events are expected in it', () => {
    expect(nextWindow([packet(0, 0.5), packet(1, 0.9)], plan)).toBeUndefined()
    expect(nextWindow([packet(0, 0.5), packet(1, 0.9, { watermarkMs: 11_000 })], plan)).toMatchObject({
      lastPacketNo: 1,
    })
  })

  test('waits for a packet that is not decided, and goes on without one that is split', () => {
    const packets = (versionId: null | undefined) => [
      packet(0, 0.1),
      packet(1, 0.2, { versionId }),
      packet(2, 3),
    ]
    expect(nextWindow(packets(undefined), plan)).toBeUndefined()
    expect(nextWindow(packets(null), plan)).toMatchObject({ firstPacketNo: 0, lastPacketNo: 1 })
  })

  test('takes in a packet that came late, and one without events', () => {
    const packets = [packet(7, 5), packet(8, 2), packet(9, 5, { firstEventMs: null }), packet(10, 6)]
    expect(nextWindow(packets, plan)).toMatchObject({ firstPacketNo: 7, lastPacketNo: 9, fromMs: 15_000 })
  })

  test('ends early where it would name more versions than an anchor holds', () => {
    const packets = Array.from({ length: AGGREGATE_PACKETS_MAX + 1 }, (_, i) => packet(i, 0))
    expect(nextWindow(packets, plan)).toMatchObject({ lastPacketNo: AGGREGATE_PACKETS_MAX - 1 })
  })
})

describe('a rollup', () => {
  const window = (first: number, last: number, isSettled = true) => ({
    ...{
      firstPacketNo: first,
      lastPacketNo: last,
      fromMs: 1_000 * first,
      toMs: 1_000 * (last + 1),
      isSettled,
    },
  })

  test('covers as many windows as its stream asks for', () => {
    expect(nextRollup([window(0, 4), window(5, 9), window(10, 12)], plan)).toEqual({
      kind: 'rollup',
      ...{ firstPacketNo: 0, lastPacketNo: 9, fromMs: 0, toMs: 10_000 },
    })
  })

  test('waits for its windows', () => {
    expect(nextRollup([window(0, 4)], plan)).toBeUndefined()
    expect(nextRollup([window(0, 4), window(5, 9, false)], plan)).toBeUndefined()
    expect(nextRollup([window(0, 4), window(5, 9)], { windowMs: 1, rollupEvery: undefined })).toBeUndefined()
  })

  test('covers fewer where they hold too many packets', () => {
    expect(nextRollup([window(0, 199), window(200, 399)], plan)).toMatchObject({ lastPacketNo: 199 })
  })
})
