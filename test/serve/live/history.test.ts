import { describe, expect, test } from 'vitest'
import type { Place, Track } from '../../../src/core/live/track.ts'
import { openHistory } from '../../../src/serve/live/history.ts'
import type { Piece, ReadPieces } from '../../../src/serve/live/piece.ts'
import { openTail, type Tail } from '../../../src/serve/live/tail.ts'

const track: Track = { partitionId: 1, stage: 'received' }
const at = (seq: number): Place => ({ at: seq, line: 0 })
const PIECE = 10

/** Ten of a thousand at a time, a byte each. */
function log() {
  const asked: number[] = []
  const readPieces: ReadPieces = async wanted => {
    await new Promise(setImmediate)
    return wanted.map(({ from, until = at(1_000) }) => {
      asked.push(from.at)
      const pieces: Piece[] = []
      for (let seq = from.at; seq < Math.min(until.at, from.at + 5 * PIECE); seq += PIECE)
        pieces.push({
          ...{ from: at(seq), to: at(seq + PIECE), bytes: PIECE, sinceMs: null },
          said: { kind: 'nothing' },
        })
      return { pieces, more: true }
    })
  }
  return { asked, readPieces }
}

function bed({ keptBytes = 1_000, keptMs = 1_000 } = {}) {
  const { asked, readPieces } = log()
  let nowMs = 0
  const history = openHistory({
    readPieces,
    bounds: { historyReadersMax: 2, historyKeptBytes: keptBytes, historyKeptMs: keptMs },
    now: () => nowMs,
  })
  return { asked, history, tail: openTail(track, false, at(1_000)), pass: (ms: number) => (nowMs += ms) }
}

async function readAll(history: ReturnType<typeof openHistory>, tail: Tail, from = 0): Promise<number[]> {
  const read: number[] = []
  for (let place = at(from); place.at < tail.end().at; )
    for (const piece of await history.from(tail, place)) {
      expect(piece.from).toEqual(place)
      read.push(piece.from.at)
      place = piece.to
    }
  return read
}

describe('history', () => {
  test('is read once for all who are behind, and each is told all of it in order', async () => {
    const { asked, history, tail } = bed()
    const all = await Promise.all(Array.from({ length: 50 }, () => readAll(history, tail)))
    const whole = Array.from({ length: 100 }, (_, n) => n * PIECE)
    for (const read of all) expect(read).toEqual(whole)
    expect(asked).toHaveLength(20)
    expect(await readAll(history, tail, 500)).toEqual(whole.slice(50))
    expect(asked).toHaveLength(20)
  })

  test('is kept up to its bound, oldest let go first', async () => {
    const { asked, history, tail } = bed({ keptBytes: 200 })
    await readAll(history, tail)
    history.forget()
    expect(history.keptBytes()).toBeLessThanOrEqual(200)
    await history.from(tail, at(900))
    expect(asked).toHaveLength(20)
    await history.from(tail, at(0))
    expect(asked.at(-1)).toBe(0)
  })

  test('is read again after a moment, as lines may have been taken away since', async () => {
    const { asked, history, tail, pass } = bed()
    await history.from(tail, at(0))
    pass(999)
    await history.from(tail, at(0))
    expect(asked).toEqual([0])
    pass(1)
    await history.from(tail, at(0))
    expect(asked).toEqual([0, 0])
    pass(1_000)
    history.forget()
    expect(history.keptBytes()).toBe(0)
  })

  test('of packets is read anew by each, as one may have fallen back, or be certified after all', async () => {
    const { asked, history } = bed()
    const tail = openTail({ partitionId: 1, stage: 'normalized' }, false, at(1_000))
    const both = await Promise.all([history.from(tail, at(0)), history.from(tail, at(0))])
    expect(both.map(pieces => pieces.length)).toEqual([5, 5])
    expect(asked).toEqual([0, 0])
    expect(history.keptBytes()).toBe(0)
  })

  test('says so where what was there is not there any more', async () => {
    const history = openHistory({
      readPieces: async wanted => wanted.map(() => ({ pieces: [], more: false })),
      bounds: { historyReadersMax: 1, historyKeptBytes: 1_000, historyKeptMs: 1_000 },
      now: () => 0,
    })
    const [piece] = await history.from(openTail(track, false, at(40)), at(10))
    expect(piece).toMatchObject({
      ...{ from: at(10), to: at(40) },
      said: { kind: 'gap', reason: 'taken-back' },
    })
  })

  test('that cannot be read fails for those who ask, and is asked for again', async () => {
    let fails = true
    const { readPieces } = log()
    const history = openHistory({
      readPieces: async wanted => {
        if (fails) throw new Error('the database is away')
        return readPieces(wanted)
      },
      bounds: { historyReadersMax: 1, historyKeptBytes: 1_000, historyKeptMs: 1_000 },
      now: () => 0,
    })
    const tail = openTail(track, false, at(1_000))
    const both = await Promise.allSettled([history.from(tail, at(0)), history.from(tail, at(0))])
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    fails = false
    expect(await history.from(tail, at(0))).toHaveLength(5)
  })
})
