import { expect, test } from 'vitest'
import { FreshValues, type Stored } from '../../../src/adapters/registry/fresh-values.ts'

test('a value that was read again and has not changed is as fresh as its last reading', async () => {
  let readings = 0
  const values = new FreshValues<string>({
    async read(keys) {
      readings++
      return new Map(keys.map(key => [key, { version: '1', open: () => key } satisfies Stored<string>]))
    },
    ageMsMax: 3_600_000,
    keysMax: 10,
  })
  expect(await values.get('a')).toBe('a')
  values.forget('a')
  expect(await values.get('a')).toBe('a')
  expect(readings).toBe(2)
  // Nothing has become old since.
  expect(await values.get('a')).toBe('a')
  expect(readings).toBe(2)
})
