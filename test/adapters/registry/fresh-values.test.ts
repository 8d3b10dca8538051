import { expect, test } from 'vitest'
import { FreshValues, type Stored } from '../../../src/adapters/registry/fresh-values.ts'
import { until } from '../../support/until.ts'

type Stand = Map<string, Stored<string>>

/** Values that are their keys, with every reading as it came, under an epoch to set. */
function valuesOf(read = async (keys: readonly string[]) => asStored(keys)) {
  const readings: string[][] = []
  const at = { epoch: 1 }
  const values = new FreshValues<string>({
    read(keys) {
      readings.push([...keys])
      return read(keys)
    },
    epoch: async () => at.epoch,
    keysMax: 10,
  })
  return { values, readings, at }
}

const asStored = (keys: readonly string[], version = '1'): Stand =>
  new Map(keys.map(key => [key, { version, open: () => `${key} ${version}` }]))

test('a value is read once as long as the epoch stays, also where there is none', async () => {
  const { values, readings } = valuesOf(async keys => asStored(keys.filter(key => key !== 'none')))
  for (let i = 0; i < 3; i++) {
    expect(await values.get('a')).toBe('a 1')
    expect(await values.get('none')).toBeUndefined()
  }
  expect(readings).toEqual([['a'], ['none']])
})

test('a value that is forgotten is read again under the same epoch, and is as fresh as that reading', async () => {
  const { values, readings } = valuesOf()
  expect(await values.get('a')).toBe('a 1')
  values.forget('a')
  expect(await values.get('a')).toBe('a 1')
  expect(readings).toHaveLength(2)
  // Nothing has changed since.
  expect(await values.get('a')).toBe('a 1')
  expect(readings).toHaveLength(2)
})

test('what is in use and of another epoch is read together with the first of it that is asked for again', async () => {
  const { values, readings, at } = valuesOf()
  for (const key of ['a', 'b', 'c']) {
    await values.get(key)
    at.epoch += 1
  }
  expect(readings).toEqual([['a'], ['b', 'a'], ['c', 'b']])
  // Nobody has asked for the others since they were read along.
  await values.get('c')
  expect(readings.slice(3)).toEqual([['c']])
})

test('what was read along is there for who asks for it, and nothing more is read', async () => {
  const { values, readings, at } = valuesOf()
  await Promise.all(['a', 'b', 'c'].map(key => values.get(key)))
  at.epoch += 1
  for (const key of ['a', 'b', 'c']) expect(await values.get(key)).toBe(`${key} 1`)
  expect(readings).toEqual([
    ['a', 'b', 'c'],
    ['a', 'b', 'c'],
  ])
})

test('a reading from before the epoch changed answers nobody who knows that it has', async () => {
  const answers: ((stand: Stand) => void)[] = []
  const { values, readings, at } = valuesOf(() => new Promise<Stand>(resolve => answers.push(resolve)))
  const early = values.get('a')
  await until(async () => answers.length === 1)
  at.epoch += 1
  const late = values.get('a')
  await until(async () => answers.length === 2)
  answers[1]?.(asStored(['a'], '2'))
  expect(await late).toBe('a 2')
  answers[0]?.(asStored(['a'], '1'))
  expect(await early).toBe('a 1')
  // Nor does it take the place of what is newer.
  expect(await values.get('a')).toBe('a 2')
  expect(readings).toHaveLength(2)
})

test('who cannot be told the epoch hears why', async () => {
  const values = new FreshValues<string>({
    read: async keys => asStored(keys),
    epoch: () => Promise.reject(new Error('the database is away')),
    keysMax: 10,
  })
  await expect(values.get('a')).rejects.toThrow('the database is away')
})
