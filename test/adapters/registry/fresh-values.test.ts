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

test('what is in use and old is read together with the first of it that is asked for again', async () => {
  const readings: string[][] = []
  const values = new FreshValues<string>({
    async read(keys) {
      readings.push([...keys])
      return new Map(keys.map(key => [key, { version: '1', open: () => key } satisfies Stored<string>]))
    },
    ageMsMax: 0,
    keysMax: 10,
  })
  for (const key of ['a', 'b', 'c']) await values.get(key)
  expect(readings).toEqual([['a'], ['b', 'a'], ['c', 'b']])
  // Nobody has asked for the others since they were read along.
  await values.get('c')
  expect(readings.slice(3)).toEqual([['c']])
})
