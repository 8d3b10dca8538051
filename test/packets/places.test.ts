import { describe, expect, test } from 'vitest'
import { placesFor, shareOf } from '../../src/packets/places.ts'

const bounds = { atOnce: 6, bytesAtOnce: 100 }
const shares = (...bytes: readonly (number | undefined)[]) => bytes.map(each => shareOf(each, bounds))

describe('partitions that are sealed at the same time', () => {
  test.each([
    {
      name: 'are as many as there are places for',
      waiting: shares(1, 1, 1, 1, 1, 1, 1, 1),
      under: [],
      room: 6,
    },
    {
      name: 'leave the places to those under way',
      waiting: shares(1, 1, 1, 1),
      under: shares(1, 1, 1),
      room: 3,
    },
    { name: 'are four where they are large', waiting: shares(60, 1_000, 25, 25, 1), under: [], room: 4 },
    { name: 'are four where their size is not known', waiting: shares(...Array(6)), under: [], room: 4 },
    {
      name: 'share the bytes with those under way',
      waiting: shares(20, 20),
      under: shares(30, 30, 30),
      room: 1,
    },
    { name: 'are none where all is taken', waiting: shares(1), under: shares(1, 1, 1, 1, 1, 1), room: 0 },
    { name: 'are none where nobody waits', waiting: [], under: shares(1), room: 0 },
  ])('$name', ({ waiting, under, room }) => {
    expect(placesFor(waiting, under, bounds)).toBe(room)
  })
})
