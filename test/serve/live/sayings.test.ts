import { describe, expect, test } from 'vitest'
import type { LivePartition } from '../../../src/core/live/track.ts'
import { readLiveFilter } from '../../../src/serve/live/live-filter.ts'
import type { Piece } from '../../../src/serve/live/piece.ts'
import type { LiveRoute } from '../../../src/serve/live/ports.ts'
import { openSayings } from '../../../src/serve/live/sayings.ts'
import { openTail } from '../../../src/serve/live/tail.ts'

const partition: LivePartition = {
  ...{ partitionId: 1, streamId: 'readings', partition: 0, level: 'basic', topics: [], isKeyed: false },
}
const tail = openTail({ partitionId: 1, stage: 'received' }, false, { at: 0, line: 0 })
const elsewhere = openTail({ partitionId: 2, stage: 'received' }, false, { at: 0, line: 0 })
const followed = { tail, partition }

function pieceAt(at: number): Piece {
  const to = { at: at + 1, line: 0 }
  return { from: { at, line: 0 }, to, said: { kind: 'nothing' }, bytes: 1, sinceMs: null }
}

/** A route that says where a piece is and at what level, and what it was asked to say. */
function countingRoute(chars = 10) {
  const asked: number[] = []
  const route: LiveRoute = {
    name: 'watch',
    canReduce: false,
    hello: () => ({}),
    heartbeat: () => ({}),
    say({ from, to }, { partition: { level } }) {
      asked.push(from.at)
      return [{ json: `${from.at} ${level}`.padEnd(chars), move: to, events: 1 }]
    },
  }
  const asking = (question: string) => {
    const filter = readLiveFilter(new URLSearchParams(question))
    if (!filter.ok) throw new Error(filter.fault.detail)
    return { route, filter: filter.value }
  }
  return { asked, asking }
}

/** Of which three quarters are for what is told live. */
const sayingsOf = (liveBytes: number, clock = { nowMs: 0 }) =>
  openSayings({ saidBytesMax: (liveBytes * 4) / 3, saidMs: 1_000, historyKeptMs: 100 }, () => clock.nowMs)

describe('what a group was told', () => {
  const endsOf = (said: readonly { readonly to: { readonly at: number } }[]) => said.map(({ to }) => to.at)

  test('is told again as it was, from any place on where something began, to that group alone', () => {
    const { asked, asking } = countingRoute()
    const sayings = sayingsOf(10_000)
    const [group, other] = [asking('types=a'), asking('types=a')]
    for (const at of [3, 4, 5, 7]) sayings.say(group, followed, pieceAt(at))
    asked.length = 0
    expect(endsOf(sayings.from(group, followed, { at: 3, line: 0 }))).toEqual([4, 5, 6])
    expect(endsOf(sayings.from(group, followed, { at: 5, line: 0 }))).toEqual([6])
    expect(sayings.from(group, followed, { at: 6, line: 0 })).toEqual([])
    expect(sayings.from(other, followed, { at: 3, line: 0 })).toEqual([])
    expect(sayings.from(group, { ...followed, tail: elsewhere }, { at: 3, line: 0 })).toEqual([])
    expect(asked).toEqual([])
  })

  test('ends at a gap, which may be filled by the time that somebody comes to it', () => {
    const { asking } = countingRoute()
    const sayings = sayingsOf(10_000)
    const group = asking('types=a')
    const gap = { kind: 'gap', reason: 'split', packetNo: 4 } as const
    for (const piece of [pieceAt(3), { ...pieceAt(4), said: gap }, pieceAt(5)])
      sayings.say(group, followed, piece)
    expect(endsOf(sayings.from(group, followed, { at: 3, line: 0 }))).toEqual([4])
  })

  test('is not told of a stream that is another by now', () => {
    const { asking } = countingRoute()
    const sayings = sayingsOf(10_000)
    const group = asking('types=a')
    const changed = { tail, partition: { ...partition, level: 'critical' as const } }
    sayings.say(group, followed, pieceAt(3))
    expect(sayings.from(group, changed, { at: 3, line: 0 })).toEqual([])
    sayings.say(group, changed, pieceAt(3))
    const [said] = sayings.from(group, changed, { at: 3, line: 0 })
    expect(said?.messages[0]?.json.trim()).toBe('3 critical')
  })

  test('takes no more than it may: the oldest goes first, and what was read of history goes before what was told live', () => {
    const { asking } = countingRoute(1_000)
    const [small, large, none] = [sayingsOf(20_000), sayingsOf(10_000_000), sayingsOf(0)]
    const group = asking('types=a')
    for (let at = 0; at < 1_000; at++) {
      for (const sayings of [small, large, none]) sayings.say(group, followed, pieceAt(at))
      expect(small.keptBytes()).toBeLessThanOrEqual(20_000)
      expect(none.keptBytes()).toBe(0)
    }
    expect(small.from(group, followed, { at: 900, line: 0 })).toEqual([])
    expect(endsOf(small.from(group, followed, { at: 995, line: 0 }))).toEqual([996, 997, 998, 999, 1_000])
    // Somebody reads all there was.
    for (let at = 2_000; at < 3_000; at++) small.say(group, followed, pieceAt(at), 'history')
    expect(small.keptBytes()).toBeLessThanOrEqual((20_000 * 4) / 3)
    expect(endsOf(small.from(group, followed, { at: 995, line: 0 }))).toHaveLength(5)
    expect(endsOf(small.from(group, followed, { at: 2_999, line: 0 }))).toEqual([3_000])
    // At once a quarter of a megabyte, which is some of these.
    const told = large.from(group, followed, { at: 0, line: 0 })
    expect(told.length).toBeGreaterThan(100)
    expect(told.length).toBeLessThan(300)
  })

  test('is told for a while, and of packets, which may fall back, for less', () => {
    const { asking } = countingRoute()
    const clock = { nowMs: 0 }
    const sayings = sayingsOf(10_000, clock)
    const group = asking('types=a')
    const packets = openTail({ partitionId: 1, stage: 'anchored' }, false, { at: 0, line: 0 })
    const place = { at: 3, line: 0 }
    const told = () => [
      sayings.from(group, followed, place).length,
      sayings.from(group, { ...followed, tail: packets }, place).length,
    ]
    sayings.say(group, { ...followed, tail: packets }, pieceAt(3))
    sayings.say(group, followed, pieceAt(3))
    clock.nowMs += 99
    expect(told()).toEqual([1, 1])
    clock.nowMs += 1
    expect(told()).toEqual([1, 0])
    clock.nowMs += 900
    expect(told()).toEqual([0, 0])
    expect(sayings.keptBytes()).toBeGreaterThan(0)
    sayings.forget()
    expect(sayings.keptBytes()).toBe(0)
  })
})
