import { describe, expect, test } from 'vitest'
import { takeTurns } from '../../src/runtime/take-turns.ts'

/** A clock that only work moves: every step takes a millisecond. */
function bench() {
  let nowMs = 0
  const done: string[] = []
  const begin = takeTurns({ sliceMs: 10, nowMs: () => nowMs })
  const work = async (name: string, steps: number) => {
    const rest = begin()
    for (let step = 0; step < steps; step++) {
      const others = rest()
      if (others !== undefined) await others
      nowMs += 1
      done.push(name)
    }
  }
  return { done, work }
}

/** Runs of one name, as `a×10`. */
function slices(done: readonly string[]): string[] {
  const runs: { name: string; steps: number }[] = []
  for (const name of done) {
    const last = runs.at(-1)
    if (last?.name === name) last.steps += 1
    else runs.push({ name, steps: 1 })
  }
  return runs.map(({ name, steps }) => `${name}×${steps}`)
}

describe('long work of several requests', () => {
  test('is done in slices, by turns', async () => {
    const { done, work } = bench()
    await Promise.all([work('a', 45), work('b', 45)])
    expect(slices(done)).toEqual([
      'a×10',
      'b×10',
      'a×10',
      'b×10',
      'a×10',
      'b×10',
      'a×10',
      'b×10',
      'a×5',
      'b×5',
    ])
  })

  test('lets what comes later and is short go first', async () => {
    const { done, work } = bench()
    const long = [work('a', 50), work('b', 50)]
    await new Promise<void>(resolve => setImmediate(resolve))
    await work('c', 1)
    expect(done.filter(name => name !== 'c').length).toBeLessThan(60)
    await Promise.all(long)
    expect(done).toHaveLength(101)
  })

  test('does not wait where nobody else does, and its slice is not over', async () => {
    const { done, work } = bench()
    const alone = work('a', 9)
    await Promise.resolve()
    expect(done).toHaveLength(9)
    await alone
  })
})
