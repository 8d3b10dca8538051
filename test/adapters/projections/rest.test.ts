import { describe, expect, test } from 'vitest'
import { restAfter } from '../../../src/adapters/projections/rest.ts'

describe('a projector that has more to do', () => {
  test('goes on at once while the process is quiet', () => {
    expect(restAfter(20, { busy: 0.5, behindEvents: 0 })).toBe(0)
  })

  test('rests the longer the busier the process is, and never for good', () => {
    expect(restAfter(20, { busy: 0.75, behindEvents: 0 })).toBe(20)
    expect(restAfter(20, { busy: 1, behindEvents: 0 })).toBe(380)
    expect(restAfter(10_000, { busy: 1, behindEvents: 0 })).toBe(1_000)
  })

  test('takes half of the time once too much is behind', () => {
    expect(restAfter(20, { busy: 1, behindEvents: 500_001 })).toBe(20)
  })
})
