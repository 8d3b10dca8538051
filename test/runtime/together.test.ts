import { describe, expect, test } from 'vitest'
import { together } from '../../src/runtime/together.ts'

/** Runs that end when they are told to. */
function openRuns() {
  const runs: { readonly items: readonly number[]; end(failure?: Error): void }[] = []
  const work = (items: readonly number[]) =>
    new Promise<number[]>((resolve, reject) => {
      runs.push({
        items,
        end: failure => (failure === undefined ? resolve(items.map(item => 10 * item)) : reject(failure)),
      })
    })
  return { runs, work }
}

const aTurn = () => new Promise(resolve => setImmediate(resolve))

describe('calls', () => {
  test('of one turn are done in one run, and each gets its own answer', async () => {
    const { runs, work } = openRuns()
    const call = together(work, { itemsMax: 8, runsMax: 1, againEach: true })
    const all = Promise.all([call(1), call(2), call(3)])
    await aTurn()
    expect(runs.map(({ items }) => items)).toEqual([[1, 2, 3]])
    runs[0]?.end()
    expect(await all).toEqual([10, 20, 30])
  })

  test('wait while as many runs as may be are under way, and go together then, so many at a time', async () => {
    const { runs, work } = openRuns()
    const call = together(work, { itemsMax: 2, runsMax: 2, againEach: true })
    const first = call(1)
    await aTurn()
    const second = call(2)
    await aTurn()
    const others = Promise.all([call(3), call(4), call(5)])
    await aTurn()
    expect(runs.map(({ items }) => items)).toEqual([[1], [2]])

    runs[0]?.end()
    expect(await first).toBe(10)
    await aTurn()
    expect(runs.map(({ items }) => items)).toEqual([[1], [2], [3, 4]])
    runs[1]?.end()
    expect(await second).toBe(20)
    await aTurn()
    expect(runs.map(({ items }) => items)).toEqual([[1], [2], [3, 4], [5]])
    runs[2]?.end()
    runs[3]?.end()
    expect(await others).toEqual([30, 40, 50])
  })

  test('that fail together are done each by itself, and only those fail that fail alone', async () => {
    const done: (readonly number[])[] = []
    const call = together(
      async (items: readonly number[]) => {
        done.push(items)
        if (items.includes(2)) throw new Error('not two')
        return items
      },
      { itemsMax: 8, runsMax: 1, againEach: true },
    )
    const all = await Promise.allSettled([call(1), call(2), call(3)])
    expect(done).toEqual([[1, 2, 3], [1], [2], [3]])
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await call(4)).toBe(4)
  })

  test('that cannot be tried again fail together', async () => {
    const done: (readonly number[])[] = []
    const call = together(
      async (items: readonly number[]) => {
        done.push(items)
        throw new Error('the disk is gone')
      },
      { itemsMax: 8, runsMax: 1, againEach: false },
    )
    const all = await Promise.allSettled([call(1), call(2)])
    expect(done).toEqual([[1, 2]])
    expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  })
})
