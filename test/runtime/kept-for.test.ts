import { describe, expect, test } from 'vitest'
import { keptFor } from '../../src/runtime/kept-for.ts'

/** Answers when it is told to. */
function slow() {
  const asked: { answer(value: string): void; fail(error: Error): void }[] = []
  const ask = () =>
    new Promise<string>((answer, fail) => {
      asked.push({ answer, fail })
    })
  return { asked, ask }
}

describe('what is kept for a while', () => {
  test('is asked for once by all who ask at once, and again when it is old', async () => {
    const { asked, ask } = slow()
    let nowMs = 0
    const kept = keptFor(100, ask, () => nowMs)
    const both = [kept.read(), kept.read()]
    asked[0]?.answer('first')
    expect(await Promise.all(both)).toEqual(['first', 'first'])
    nowMs = 99
    expect(await kept.read()).toBe('first')
    expect(asked).toHaveLength(1)
    nowMs = 100
    const again = kept.read()
    asked[1]?.answer('second')
    expect(await again).toBe('second')
  })

  test('is what was read last for whoever does not wait longer, or where it cannot be read', async () => {
    const { asked, ask } = slow()
    let nowMs = 0
    const kept = keptFor(100, ask, () => nowMs)
    expect(await kept.readWithin(1)).toBeUndefined()
    asked[0]?.answer('first')
    expect(await kept.readWithin(60_000)).toBe('first')
    nowMs = 100
    expect(await kept.readWithin(1)).toBe('first')
    const failed = kept.readWithin(60_000)
    asked[1]?.fail(new Error('the database is away'))
    expect(await failed).toBe('first')
    const read = kept.readWithin(60_000)
    asked[2]?.answer('second')
    expect(await read).toBe('second')
  })

  test('fails for whoever wants to know', async () => {
    const kept = keptFor(100, () => Promise.reject(new Error('the database is away')))
    await expect(kept.read()).rejects.toThrow('the database is away')
    expect(await kept.readWithin(60_000)).toBeUndefined()
  })
})
