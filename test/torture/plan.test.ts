import { describe, expect, test } from 'vitest'
import { makePlan } from './plan.ts'
import { troubles } from './troubles/index.ts'

const planOf = (seed: number, seconds = 600) => makePlan({ seed, seconds, perSecond: 20, troubles })

describe('a plan', () => {
  test('is the same for the same seed, and another one for another', () => {
    expect(planOf(7)).toEqual(planOf(7))
    expect(planOf(8)).not.toEqual(planOf(7))
  })

  test('has every kind of trouble, given time', () => {
    const happening = new Set(planOf(7).troubles.map(({ trouble }) => trouble))
    expect([...happening].sort()).toEqual(troubles.map(({ name }) => name).sort())
  })

  test('has two troubles at once, and never two for the same process', () => {
    const { troubles: planned } = planOf(7)
    const together = planned.flatMap((one, n) =>
      planned
        .slice(n + 1)
        .flatMap(other => (other.atMs < one.atMs + one.forMs ? [[one, other] as const] : [])),
    )
    expect(together.length).toBeGreaterThan(10)
    const clashes = together.filter(([one, other]) => one.touches.some(what => other.touches.includes(what)))
    expect(clashes).toEqual([])
  })

  test('has lanes in which one trouble begins after the other', () => {
    const { troubles: planned } = planOf(7)
    const overlaps = planned.filter((one, n) =>
      planned.slice(n + 1).some(other => other.lane === one.lane && other.atMs < one.atMs + one.forMs),
    )
    expect(new Set(planned.map(({ lane }) => lane)).size).toBe(2)
    expect(overlaps).toEqual([])
  })

  test('is a value that JSON carries, as it is written down', () => {
    expect(JSON.parse(JSON.stringify(planOf(7)))).toEqual(planOf(7))
  })
})
