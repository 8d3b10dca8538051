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
const followed = { tail, partition }

function pieceAt(at: number): Piece {
  const to = { at: at + 1, line: 0 }
  return { from: { at, line: 0 }, to, said: { kind: 'nothing' }, bytes: 1, sinceMs: null }
}

/** A route that says where a piece is and at what level, and how often it was asked. */
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
    return { route, filter: filter.value, asks: filter.value.key }
  }
  return { asked, asking }
}

describe('what was said of a piece', () => {
  test('is said again as it was to whoever asks for the same, and to nobody else', () => {
    const { asked, asking } = countingRoute()
    const sayings = openSayings(10_000)
    const piece = pieceAt(3)
    const first = sayings.of(asking('types=a'), followed, piece)
    expect(sayings.of(asking('types=a'), followed, piece)).toBe(first)
    expect(asked).toEqual([3])
    sayings.of(asking('types=b'), followed, piece)
    sayings.of(asking('types=a'), followed, pieceAt(4))
    expect(asked).toEqual([3, 3, 4])
  })

  test('is made anew once the stream is another', () => {
    const { asking } = countingRoute()
    const sayings = openSayings(10_000)
    const piece = pieceAt(3)
    const levelSaid = (level: LivePartition['level']) =>
      sayings.of(asking('types=a'), { tail, partition: { ...partition, level } }, piece)[0]?.json.trim()
    expect([levelSaid('basic'), levelSaid('critical'), levelSaid('critical')]).toEqual([
      '3 basic',
      '3 critical',
      '3 critical',
    ])
  })

  test('takes no more than it may, and what was said last is kept', () => {
    const { asked, asking } = countingRoute(1_000)
    const sayings = openSayings(20_000)
    const pieces = Array.from({ length: 200 }, (_, at) => pieceAt(at))
    for (const piece of pieces) {
      sayings.of(asking('types=a'), followed, piece)
      expect(sayings.keptBytes()).toBeLessThanOrEqual(20_000)
    }
    asked.length = 0
    for (const piece of pieces.slice(-5)) sayings.of(asking('types=a'), followed, piece)
    expect(asked).toEqual([])
    for (const piece of pieces.slice(0, 5)) sayings.of(asking('types=a'), followed, piece)
    expect(asked).toEqual([0, 1, 2, 3, 4])
    const none = openSayings(0)
    none.of(asking('types=a'), followed, pieceAt(1))
    expect(none.keptBytes()).toBe(0)
  })
})
