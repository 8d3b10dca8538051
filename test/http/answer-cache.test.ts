import { describe, expect, test } from 'vitest'
import { openAnswerCache } from '../../src/http/read/answer-cache.ts'

const bounds = { answersMax: 2, charsMax: 1_000 }

describe('answers that are given again', () => {
  test('are made once for all who ask meanwhile, and again after their time', async () => {
    let [nowMs, made] = [0, 0]
    const cache = openAnswerCache(10, () => nowMs, bounds)
    const make = async () => `answer ${++made}`
    const [first, second] = await Promise.all([cache.get('a', make), cache.get('a', make)])
    expect([first, second, await cache.get('a', make)]).toEqual(['answer 1', 'answer 1', 'answer 1'])
    nowMs = 10
    expect(await cache.get('a', make)).toBe('answer 2')
  })

  test('are as many, and as long altogether, as there is room for', async () => {
    let made = 0
    const cache = openAnswerCache(10, () => 0, bounds)
    const make = (chars: number) => async () => {
      made++
      return 'x'.repeat(chars)
    }
    for (const key of ['a', 'b', 'c']) await cache.get(key, make(1))
    await cache.get('c', make(1))
    await cache.get('a', make(1))
    expect(made).toBe(4)
    await cache.get('large', make(2_000))
    await cache.get('large', make(2_000))
    expect(made).toBe(6)
  })

  test('are not kept where they could not be made', async () => {
    const cache = openAnswerCache(10, () => 0, bounds)
    await expect(cache.get('a', () => Promise.reject(new Error('no database')))).rejects.toThrow(
      'no database',
    )
    expect(await cache.get('a', async () => 'now')).toBe('now')
  })
})
