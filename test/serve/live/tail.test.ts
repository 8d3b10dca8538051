import { describe, expect, test } from 'vitest'
import type { Place, TrackStage } from '../../../src/core/live/track.ts'
import type { LiveEvent, Piece, Said } from '../../../src/serve/live/piece.ts'
import { keepWithin, openTail, TAKEN_BYTES_MAX } from '../../../src/serve/live/tail.ts'

const at = (seq: number): Place => ({ at: seq, line: 0 })
const gap = { kind: 'gap', reason: 'split', packetNo: 1 } as const

function pieceOf(from: number, count: number, bytes = 10, said?: Said): Piece {
  const events = Array.from({ length: count }, (_, i) => ({ position: from + i }) as LiveEvent)
  const its = said ?? ({ kind: 'events', events, packet: null } as const)
  return { from: at(from), to: at(from + count), said: its, bytes, sinceMs: null }
}

function tailOf(pieces: readonly Piece[], stage: TrackStage = 'received') {
  const tail = openTail({ partitionId: 1, stage }, false, at(0))
  tail.take(pieces)
  return tail
}

const positions = (pieces: readonly Piece[] | undefined) =>
  pieces?.flatMap(({ said }) => (said.kind === 'events' ? said.events.map(({ position }) => position) : []))

describe('from a place on', () => {
  test('a tail has what it keeps, also from within what was received together', () => {
    const tail = tailOf([pieceOf(0, 5), pieceOf(5, 5), pieceOf(10, 5)])
    expect(positions(tail.from(at(5)))).toEqual([5, 6, 7, 8, 9, 10, 11, 12, 13, 14])
    expect(positions(tail.from(at(8)))).toEqual([8, 9, 10, 11, 12, 13, 14])
    expect(tail.from(at(8))?.[0]?.from).toEqual(at(8))
    expect(tail.from(at(15))).toEqual([])
    tail.keep(20)
    expect(tail.from(at(4))).toBeUndefined()
    expect(positions(tail.from(at(14)))).toEqual([14])
  })

  test('it has nothing from within a packet, nor from a gap on, which may be filled', () => {
    const tail = tailOf([pieceOf(0, 5), pieceOf(5, 5, 10, gap), pieceOf(10, 5)], 'validated')
    expect(tail.from(at(2))).toBeUndefined()
    expect(positions(tail.from(at(0)))).toEqual([0, 1, 2, 3, 4])
    expect(tail.from(at(5))).toBeUndefined()
  })

  test('it gives as much at once as is taken, or one piece', () => {
    const tail = tailOf([0, 1, 2, 3, 4].map(n => pieceOf(n, 1, TAKEN_BYTES_MAX / 2)))
    expect(positions(tail.from(at(1)))).toEqual([1, 2])
  })
})

test('all tails together keep what they may, and the small ones all of theirs', () => {
  const busy = [0, 1].map(() => tailOf(Array.from({ length: 100 }, (_, n) => pieceOf(n, 1))))
  const quiet = tailOf([pieceOf(0, 1, 50)])
  const tails = new Map([...busy, quiet].map((tail, n) => [n, tail]))
  keepWithin(tails, 450)
  expect([...tails.values()].map(tail => tail.keptBytes())).toEqual([200, 200, 50])
})
