import { describe, expect, test } from 'vitest'
import {
  canSeat,
  chooseOperators,
  FAILURE_POINTS_MAX,
  type OperatorRecord,
  recordConduct,
  recordJob,
} from '../../../../src/core/rounds/coordinating/operators.ts'

function known(operator: string, more: Partial<OperatorRecord> = {}): OperatorRecord {
  return { operator, reachable: true, failurePoints: 0, doubleSpends: 0, ...more }
}

describe('event job coordination: seats go to', () => {
  const four = ['a', 'b', 'c', 'd'].map(operator => known(operator))

  test('distinct operators, as many as the level asks for, in rotation', () => {
    expect(chooseOperators(four, 'basic', 0)).toEqual(['a'])
    expect(chooseOperators(four, 'enhanced', 0)).toEqual(['a', 'b', 'c'])
    expect(chooseOperators(four, 'enhanced', 1)).toEqual(['d', 'a', 'b'])
    expect(new Set([0, 1, 2, 3].map(turn => chooseOperators(four, 'basic', turn)?.[0])).size).toBe(4)
  })

  test('those with the fewest failures first', () => {
    const records = [
      known('a', { failurePoints: 10 }),
      known('b', { failurePoints: 1 }),
      known('c'),
      known('d'),
    ]
    expect(chooseOperators(records, 'enhanced', 0)).toEqual(['c', 'd', 'b'])
  })

  test('double-spenders last, and yet to them where nobody else is left', () => {
    const records = [
      known('a', { doubleSpends: 1 }),
      known('b', { failurePoints: 500 }),
      known('c'),
      known('d'),
    ]
    expect(chooseOperators(records, 'enhanced', 0)).toEqual(['c', 'd', 'b'])
    expect(chooseOperators(records.slice(0, 3), 'enhanced', 0)).toEqual(['c', 'b', 'a'])
  })

  test('who is within reach before who is not, double-spender or not', () => {
    const away = { reachable: false }
    const records = [known('a'), known('b', { doubleSpends: 1 }), known('c', away), known('d', away)]
    expect(chooseOperators(records, 'enhanced', 0)).toEqual(['a', 'b', 'c'])
  })

  test('the absent too, so that an open round goes on; no round is begun for them', () => {
    const away = { reachable: false }
    const records = [known('a', away), known('b'), known('c', away)]
    expect(chooseOperators(records, 'enhanced', 0)).toEqual(['b', 'a', 'c'])
    expect(canSeat(records, 'enhanced')).toBe(false)
    expect(canSeat([known('a', away), known('b'), known('c')], 'enhanced')).toBe(true)
  })

  test('nobody where there are fewer operators than seats', () => {
    expect(chooseOperators([known('a'), known('b')], 'enhanced', 0)).toBeUndefined()
    expect(canSeat([known('a'), known('b')], 'enhanced')).toBe(false)
  })
})

describe('event job coordination: failure points', () => {
  test('tell silence and dissent from an answer that nobody could settle', () => {
    const points = (conduct: Parameters<typeof recordConduct>[1]) =>
      recordConduct(known('a'), conduct).failurePoints
    expect(points('agreed')).toBe(0)
    expect(points('silent')).toBe(points('dissenting'))
    expect(points('unsettled')).toBeGreaterThan(0)
    expect(points('unsettled')).toBeLessThan(points('silent'))
    expect(points('unheard')).toBe(0)
  })

  test('wear off with every job, asked or not, and are bounded', () => {
    const pointsAfter = (points: number, conduct: Parameters<typeof recordConduct>[1]) =>
      recordConduct(known('a', { failurePoints: points }), conduct).failurePoints
    expect([pointsAfter(10, 'agreed'), pointsAfter(10, 'unasked'), pointsAfter(10, 'unheard')]).toEqual([
      9, 9, 10,
    ])
    expect([pointsAfter(0, 'agreed'), pointsAfter(0, 'unasked')]).toEqual([0, 0])
    expect(pointsAfter(FAILURE_POINTS_MAX, 'silent')).toBe(FAILURE_POINTS_MAX)
  })

  test('let an operator that failed once be asked again', () => {
    const seats = ['a', 'b', 'c'].map(operator => ({ operator, agentKey: `agent of ${operator}` }))
    let records = ['a', 'b', 'c', 'd'].map(operator => known(operator))
    records = recordJob(records, seats, ['silent', 'agreed', 'agreed'])
    expect(records.map(({ failurePoints }) => failurePoints)).toEqual([10, 0, 0, 0])
    let jobs = 0
    for (let chosen: string[] = []; !chosen.includes('a') && jobs < 100; jobs++) {
      chosen = chooseOperators(records, 'enhanced', jobs) ?? []
      const asked = chosen.map(operator => ({ operator, agentKey: `agent of ${operator}` }))
      records = recordJob(records, asked, ['agreed', 'agreed', 'agreed'])
    }
    expect(jobs).toBeGreaterThan(5)
    expect(jobs).toBeLessThan(20)
  })
})
