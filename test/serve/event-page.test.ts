import { describe, expect, test } from 'vitest'
import { byNewest, type Looked, takePage } from '../../src/serve/event-page.ts'

const at = (
  ingestMs: number,
  partitionId = 1,
  seq = 0,
  changes: Partial<Looked<string>> = {},
): Looked<string> => ({
  position: { ingestMs, partitionId, seq },
  item: `${ingestMs}/${partitionId}/${seq}`,
  isStop: false,
  ...changes,
})

describe('a page of events', () => {
  test('has the newest of all places, and begins the next one behind its last', () => {
    const looked = [at(9), at(5), at(7, 2), at(7, 1, 3), at(7, 1, 4)]
    expect(takePage(looked, { limit: 3 })).toEqual({
      items: ['9/1/0', '7/2/0', '7/1/4'],
      below: { ingestMs: 7, partitionId: 1, seq: 4 },
    })
    expect(takePage(looked, { limit: 5 })).toEqual({ items: expect.any(Array), below: null })
    expect(takePage(looked, { limit: 2, skip: 3 })).toEqual({ items: ['7/1/3', '5/1/0'], below: null })
  })

  test('says nothing of what is behind a place where looking stopped, and goes on from there', () => {
    const looked = [at(9), at(8, 2, 6, { item: null, isStop: true }), at(7), at(3, 3, 1, { isStop: true })]
    expect(takePage(looked, { limit: 5 })).toEqual({
      items: ['9/1/0'],
      below: { ingestMs: 8, partitionId: 2, seq: 6 },
    })
  })

  test('has the event that looking stopped at, where it fits', () => {
    expect(takePage([at(9), at(8, 1, 0, { isStop: true })], { limit: 5 })).toEqual({
      items: ['9/1/0', '8/1/0'],
      below: { ingestMs: 8, partitionId: 1, seq: 0 },
    })
  })

  test('of nothing is the last one', () => {
    expect(takePage([], { limit: 5 })).toEqual({ items: [], below: null })
  })

  test('orders what came at once by partition and sequence', () => {
    const positions = [at(1, 1, 2), at(1, 2, 1), at(2, 1, 0), at(1, 2, 2)].map(({ position }) => position)
    expect(
      positions.sort(byNewest).map(({ ingestMs, partitionId, seq }) => [ingestMs, partitionId, seq]),
    ).toEqual([
      [2, 1, 0],
      [1, 2, 2],
      [1, 2, 1],
      [1, 1, 2],
    ])
  })
})
