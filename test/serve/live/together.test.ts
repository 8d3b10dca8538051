import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LiveEvent, PacketFacts, Piece } from '../../../src/serve/live/piece.ts'
import { together } from '../../../src/serve/live/together.ts'

const at = (seq: number) => ({ at: seq, line: 0 })
const event = (seq: number) => ({ position: seq }) as LiveEvent

function received(from: number, count: number, sinceMs: number | null = from): Piece {
  const events = Array.from({ length: count }, (_, i) => event(from + i))
  const said = { kind: 'events', events, packet: null } as const
  return { from: at(from), to: at(from + count), said, bytes: count, sinceMs }
}

function gap(from: number, count: number): Piece {
  const said = { kind: 'gap', reason: 'expired', packetNo: null } as const
  return { from: at(from), to: at(from + count), said, bytes: 1, sinceMs: null }
}

function positions({ said }: Piece): number[] {
  return said.kind === 'events' ? said.events.map(({ position }) => position) : []
}

describe('neighbours of what was received', () => {
  test('are one piece, from the first place to the last', () => {
    const [joined, ...more] = together([received(0, 2), received(2, 1), received(3, 3)])
    expect(more).toEqual([])
    expect(joined).toMatchObject({ from: at(0), to: at(6), bytes: 6, sinceMs: 0 })
    expect(joined && positions(joined)).toEqual([0, 1, 2, 3, 4, 5])
  })

  test('stay apart where something else stands between them', () => {
    const pieces = [received(0, 2), gap(2, 5), received(7, 1)]
    expect(together(pieces)).toEqual(pieces)
  })

  test('are no packets: each of those is told of by itself', () => {
    const packet = { packetNo: 1 } as PacketFacts
    const pieces = [0, 2].map(from => {
      const said = { kind: 'events', events: [event(from), event(from + 1)], packet } as const
      return { ...received(from, 2), said }
    })
    expect(together(pieces)).toEqual(pieces)
  })

  test('are the same for readers who began elsewhere, from the next row on', () => {
    const counts = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 40, maxLength: 80 })
    fc.assert(
      fc.property(counts, fc.nat(30), (list, began) => {
        let seq = 0
        const pieces = list.map(count => {
          seq += count
          return received(seq - count, count)
        })
        const [whole, later] = [together(pieces), together(pieces.slice(began))]
        const row = Math.ceil((pieces[began]?.from.at ?? 0) / 250) * 250
        const behind = (joined: readonly Piece[]) => joined.filter(({ from }) => from.at >= row)
        expect(behind(later)).toEqual(behind(whole))
      }),
    )
  })

  test('are all told, in order, whatever they are, and at once what begins in one row, at most a thousand', () => {
    const kinds = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 1_000 })), { maxLength: 40 })
    fc.assert(
      fc.property(kinds, list => {
        let seq = 0
        const pieces = list.map(([isGap, count]) => {
          seq += count
          return isGap ? gap(seq - count, count) : received(seq - count, count)
        })
        const joined = together(pieces)
        expect(joined.flatMap(positions)).toEqual(pieces.flatMap(positions))
        for (const [i, piece] of joined.entries()) {
          expect(piece.from).toEqual(at(joined[i - 1]?.to.at ?? 0))
          expect(positions(piece).length).toBeLessThanOrEqual(1_000)
          if (pieces.includes(piece)) continue
          const begins = pieces
            .map(({ from }) => from.at)
            .filter(seq => seq >= piece.from.at && seq < piece.to.at)
          expect(new Set(begins.map(seq => Math.floor(seq / 250))).size).toBe(1)
        }
        expect(joined.at(-1)?.to).toEqual(pieces.at(-1)?.to)
      }),
    )
  })
})
