import { getEventListeners } from 'node:events'
import { types } from 'node:util'
import { expect, test } from 'vitest'
import { withAnyOf } from '../../src/runtime/with-any-of.ts'

const aborted = (signal: AbortSignal) =>
  new Promise<unknown>(resolve => {
    if (signal.aborted) resolve(signal.reason)
    signal.addEventListener('abort', () => resolve(signal.reason))
  })

test.each([0, 1])('aborts with the first of them, for its reason: %i', async which => {
  const each = [new AbortController(), new AbortController()]
  const working = withAnyOf(
    each.map(({ signal }) => signal),
    aborted,
  )
  each[which]?.abort('this one')
  each[1 - which]?.abort('too late')
  expect(await working).toBe('this one')
})

test('is aborted from the start where one of them is', async () => {
  const [late, never] = [AbortSignal.abort('before'), new AbortController().signal]
  expect(await withAnyOf([never, undefined, late], async ({ reason }) => reason)).toBe('before')
})

test.each([
  ['what it answers', async () => 'answer', 'answer'],
  ['what it fails with', () => Promise.reject('failure'), 'failure'],
])('passes on %s, and leaves nothing at any of them', async (_, work, said) => {
  const signals = [new AbortController().signal, new AbortController().signal]
  const passed = await withAnyOf<string>(signals, work).catch((error: unknown) => error)
  expect(passed).toBe(said)
  for (const signal of signals) {
    expect(getEventListeners(signal, 'abort')).toEqual([])
    // Nor among what `AbortSignal.any` would have kept there.
    const kept = Object.getOwnPropertySymbols(signal).map(symbol => Reflect.get(signal, symbol))
    expect(kept.filter(each => types.isSet(each) && each.size > 0)).toEqual([])
  }
})
