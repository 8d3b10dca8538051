import { describe, expect, test } from 'vitest'
import { keptText } from '../../../src/adapters/postgres/kept-text.ts'

describe('what others say of a failure', () => {
  test('is kept without what no column holds, and not longer than there is room', () => {
    expect(keptText('a\0b', 10)).toBe('a\uFFFDb')
    expect(keptText('abc', 2)).toBe('ab')
    expect(keptText('a'.repeat(1_000))).toHaveLength(500)
  })

  test('is never cut inside of a character, which jsonb would refuse', () => {
    expect(keptText('a😀', 2)).toBe('a\uFFFD')
  })
})
