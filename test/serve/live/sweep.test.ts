import { describe, expect, test } from 'vitest'
import type { Place } from '../../../src/core/live/track.ts'
import type { LiveEvent, Piece } from '../../../src/serve/live/piece.ts'
import { openSweep } from '../../../src/serve/live/sweep.ts'
import { openTail } from '../../../src/serve/live/tail.ts'

const at = (seq: number): Place => ({ at: seq, line: 0 })
const tail = openTail({ partitionId: 1, stage: 'received' }, false, at(1_000_000))
const PAGE = 100

/** Pages of a hundred events, each of one piece, that begin wherever somebody stands; a test lets time pass with each. */
function bed(msForEach = 0) {
  const asked: number[] = []
  let nowMs = 0
  const broken = new Set<number>()
  const sweep = openSweep({
    async read(_tail, from) {
      asked.push(from.at)
      await new Promise(setImmediate)
      nowMs += msForEach
      if (broken.has(from.at)) throw new Error('it cannot be read')
      const to = Math.floor(from.at / PAGE) * PAGE + PAGE
      const events = Array.from({ length: to - from.at }, (_, i) => ({ position: from.at + i }) as LiveEvent)
      const said = { kind: 'events', events, packet: null } as const
      return [{ from, to: at(to), said, bytes: 1, sinceMs: null } satisfies Piece]
    },
    now: () => nowMs,
  })
  const gone = new Set<object>()
  /** Reads from one place to another, and resolves with what it was given. */
  const readAll = async (from: number, to: number, who: object = {}) => {
    const positions: number[] = []
    for (let place = from; place < to && !gone.has(who); ) {
      const pieces = await sweep.from({ tail, place: at(place), isWanted: () => !gone.has(who) })
      for (const piece of pieces) {
        expect(piece.from.at).toBe(place)
        if (piece.said.kind === 'events') positions.push(...piece.said.events.map(({ position }) => position))
        place = piece.to.at
      }
    }
    return positions
  }
  return { asked, broken, gone, readAll, sweep }
}

const between = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

describe('those who read one track', () => {
  test('wherever they stand, also within what is read at once, are each given all of it, and it is read about once', async () => {
    const { asked, readAll, sweep } = bed()
    const places = between(0, 50).map(n => (n * 37) % 1_000)
    const read = await Promise.all(places.map(place => readAll(place, 2_000)))
    for (const [i, positions] of read.entries()) expect(positions).toEqual(between(places[i] ?? 0, 2_000))
    // The first two pages are read for whoever came first; then from the bottom up, each once.
    expect(asked.length).toBeLessThanOrEqual(2_000 / PAGE + 2)
    await new Promise(setImmediate)
    expect(sweep.isIdle()).toBe(true)
  })

  test('come to their turn beside one who reads all there ever was', async () => {
    const { asked, gone, readAll } = bed(100)
    const endless = {}
    const whole = readAll(0, 1_000_000, endless)
    for (let n = 0; n < 5; n++) await new Promise(setImmediate)
    const others = await Promise.all([700_000, 800_000, 900_000].map(place => readAll(place, place + 300)))
    for (const positions of others) expect(positions).toHaveLength(300)
    // Two seconds each before it goes on with others, twenty pages; three of them came between.
    expect(asked.filter(seq => seq < 700_000).length).toBeLessThan(80)
    gone.add(endless)
    await whole
  })

  test('fail alone where it cannot be read, and who has gone is read for no more', async () => {
    const { asked, broken, gone, readAll } = bed()
    broken.add(500)
    const left = {}
    const [bottom, top, failed, forgotten] = [
      readAll(0, 400),
      readAll(800, 900),
      readAll(500, 600).catch((error: unknown) => String(error)),
      readAll(600, 700, left),
    ]
    gone.add(left)
    expect(await bottom).toEqual(between(0, 400))
    expect(await top).toEqual(between(800, 900))
    expect(await failed).toBe('Error: it cannot be read')
    expect(await forgotten).toEqual([])
    expect(asked).not.toContain(600)
  })
})
