import { describe, expect, test } from 'vitest'
import {
  type AgentTerms,
  HALF_LIFE_MS,
  reputationOf,
} from '../../../../src/core/rounds/coordinating/reputation.ts'

const nothing: AgentTerms = {
  ...{ agreed: 0, dissenting: 0, silent: 0, late: 0, failed: 0, void: 0, equivocated: 0 },
  asOfMs: 0,
}

describe('the reputation of an agent', () => {
  test('is full for whoever has shown nothing against itself', () => {
    expect(reputationOf(nothing, 0).score).toBe(100)
    expect(reputationOf({ ...nothing, agreed: 500 }, 0).score).toBe(100)
  })

  test('falls with what speaks against it, most with two answers to one seat', () => {
    const scores = (['late', 'silent', 'dissenting', 'void', 'equivocated'] as const).map(
      term => reputationOf({ ...nothing, agreed: 10, [term]: 1 }, 0).score,
    )
    expect(scores).toEqual([...scores].sort((a, b) => b - a))
    expect(new Set(scores).size).toBe(scores.length)
    expect(Math.min(...scores)).toBeGreaterThan(0)
  })

  test('recovers with time alone', () => {
    const fallen = { ...nothing, dissenting: 5 }
    const scores = [0, 1, 2, 8].map(halves => reputationOf(fallen, halves * HALF_LIFE_MS).score)
    expect(scores).toEqual([...scores].sort((a, b) => a - b))
    expect(scores.at(-1)).toBeGreaterThan(99)
  })

  test('is shown with every term that it is made of', () => {
    const { terms } = reputationOf({ ...nothing, silent: 4 }, HALF_LIFE_MS)
    expect(terms).toHaveLength(7)
    expect(terms.find(({ term }) => term === 'silent')).toEqual({ term: 'silent', count: 2, weight: -5 })
  })
})
