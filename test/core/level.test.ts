import { describe, expect, test } from 'vitest'
import { isLevel, levels, quorums, reachesLevel } from '../../src/core/level.ts'

describe('a level', () => {
  test('asks for one of one, two of three or three of three operators', () => {
    expect(levels.map(level => [level, quorums[level].agreeing, quorums[level].seats])).toEqual([
      ['basic', 1, 1],
      ['enhanced', 2, 3],
      ['critical', 3, 3],
    ])
  })

  test('is listed, weakest first, if and only if it has a quorum', () => {
    expect([...levels].sort()).toEqual(Object.keys(quorums).sort())
  })

  test('reaches itself and every weaker one', () => {
    const reached = levels.map(level => levels.filter(minimum => reachesLevel(level, minimum)))
    expect(reached).toEqual([['basic'], ['basic', 'enhanced'], ['basic', 'enhanced', 'critical']])
  })

  test('is known by its exact name only', () => {
    expect(levels.every(isLevel)).toBe(true)
    const others = ['Basic', '', 'toString', '__proto__', null, undefined, 1, ['basic']]
    expect(others.filter(isLevel)).toEqual([])
  })
})
