import { describe, expect, test } from 'vitest'
import {
  canSeat,
  chooseOperators,
  type OperatorRecord,
  recordConduct,
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

  test('nobody while a quorum is out of reach, and also to the absent once it is in reach', () => {
    const away = { reachable: false }
    expect(chooseOperators([known('a'), known('b', away), known('c', away)], 'enhanced', 0)).toBeUndefined()
    expect(chooseOperators([known('a', away), known('b'), known('c')], 'enhanced', 0)).toEqual([
      'b',
      'c',
      'a',
    ])
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
  })
})
