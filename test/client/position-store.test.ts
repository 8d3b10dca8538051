import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { filePosition } from '../../src/client/file-position.ts'
import { pause } from '../../src/client/pause.ts'
import { openKeeper } from '../../src/client/subscribe/position-store.ts'
import { until } from '../support/until.ts'

describe('a position that is kept', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'assay-position-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  test('is the newest one in its file, however many are saved without waiting', async () => {
    const store = filePosition(path.join(folder, 'position'))
    const keeper = openKeeper(store)
    const saving = Array.from({ length: 20 }, (_, n) => keeper.place(`position-${n}`).keep())
    await Promise.all(saving)
    expect(await store.load()).toBe('position-19')
  })

  test('is saved behind the one before it, and never is an older one', async () => {
    const begun: string[] = []
    const ends: (() => void)[] = []
    const keeper = openKeeper({
      load: async () => undefined,
      save: position =>
        new Promise(resolve => {
          begun.push(position)
          ends.push(resolve)
        }),
    })
    const [first, second, third] = ['first', 'second', 'third'].map(position => keeper.place(position))
    const saving = [first?.keep()]
    await until(() => begun.length === 1)
    saving.push(third?.keep(), second?.keep())
    await pause(20)
    expect(begun).toEqual(['first'])
    ends[0]?.()
    await until(() => begun.length === 2)
    ends[1]?.()
    await Promise.all(saving)
    await first?.keep()
    await keeper.close()
    expect(begun).toEqual(['first', 'third'])
  })

  test('is saved also where the one before it could not be, which is said to whoever saved that', async () => {
    const saved: string[] = []
    const keeper = openKeeper({
      load: async () => undefined,
      async save(position) {
        saved.push(position)
        if (position === 'first') throw new Error('the disk is full')
      },
    })
    await expect(keeper.place('first').keep()).rejects.toThrow('the disk is full')
    await keeper.place('second').keep()
    expect(saved).toEqual(['first', 'second'])
  })
})
