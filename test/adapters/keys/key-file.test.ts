import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createKeyFile, keyInUse, readKeyFile, rotateKeyFile } from '../../../src/adapters/keys/key-file.ts'
import { keepMasterKey } from '../../../src/adapters/keys/master-key.ts'

let folder: string
let file: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'assay-keys-'))
  file = path.join(folder, 'agent.key')
})
afterEach(() => rm(folder, { recursive: true }))

describe('a key file', () => {
  test('is for its owner’s eyes, and read back as it was made', async () => {
    const made = await createKeyFile(file, 'agent', 1)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await readKeyFile(file)).toEqual(made)
  })

  test('is never written over', async () => {
    const made = await createKeyFile(file, 'agent', 1)
    await expect(createKeyFile(file, 'operator', 2)).rejects.toThrow('is there already')
    expect(await readKeyFile(file)).toEqual(made)
  })

  test('keeps the old key when it is rotated, and shows how it handed over', async () => {
    const made = await createKeyFile(file, 'operator', 1)
    await rotateKeyFile(file, 2)
    const rotated = await readKeyFile(file)
    expect(rotated.keys[0]).toEqual(made.keys[0])
    expect(rotated.keys).toHaveLength(2)
    expect(keyInUse(rotated)).not.toEqual(keyInUse(made))
    expect(rotated.keys[1]?.succession).toMatchObject({ from: keyInUse(made).identityKey })
    expect(await readdir(folder)).toEqual(['agent.key'])
  })

  test('keeps every heir that anybody was told of, however many rotate it at once', async () => {
    await createKeyFile(file, 'agent', 1)
    const rotations = await Promise.allSettled(Array.from({ length: 20 }, () => rotateKeyFile(file, 2)))
    const heirs = rotations.flatMap(each =>
      each.status === 'fulfilled' ? [keyInUse(each.value).identityKey] : [],
    )
    const kept = (await readKeyFile(file)).keys.slice(1).map(({ identityKey }) => identityKey)
    expect(heirs.sort()).toEqual(kept.sort())
    expect(heirs.length).toBeGreaterThan(0)
    expect(await readdir(folder)).toEqual(['agent.key'])
  })

  test('that cannot be read is left as it is, and rotated once it can', async () => {
    await createKeyFile(file, 'agent', 1)
    await chmod(file, 0o644)
    await expect(rotateKeyFile(file, 2)).rejects.toThrow('chmod 600')
    await chmod(file, 0o600)
    expect((await rotateKeyFile(file, 2)).keys).toHaveLength(2)
  })

  test('that others can read is refused', async () => {
    await createKeyFile(file, 'agent', 1)
    await chmod(file, 0o644)
    await expect(readKeyFile(file)).rejects.toThrow('chmod 600')
  })

  test('whose heir nobody named is refused', async () => {
    await createKeyFile(file, 'agent', 1)
    const other = path.join(folder, 'other.key')
    await createKeyFile(other, 'agent', 1)
    const mine = JSON.parse(await readFile(file, 'utf8'))
    const theirs = JSON.parse(await readFile(other, 'utf8'))
    await writeFile(file, JSON.stringify({ ...mine, keys: [...mine.keys, ...theirs.keys] }))
    await expect(readKeyFile(file)).rejects.toThrow('has not handed over')
  })

  test.each([
    ['no JSON', 'key'],
    ['another version', JSON.stringify({ v: 2, kind: 'agent', keys: [] })],
    ['no keys', JSON.stringify({ v: 1, kind: 'agent', keys: [] })],
  ])('with %s is refused without a word of what is in it', async (_, text) => {
    await writeFile(file, text, { mode: 0o600 })
    await expect(readKeyFile(file)).rejects.toThrow('is not a key file')
  })
})

describe('the master key', () => {
  test('is one, however many ask for it first', async () => {
    const master = path.join(folder, 'data', 'master.key')
    const asked = await Promise.all(Array.from({ length: 10 }, () => keepMasterKey(master)))
    expect(new Set(asked.map(key => Buffer.from(key).toString('hex'))).size).toBe(1)
    expect((await stat(master)).mode & 0o777).toBe(0o600)
    expect(await readdir(path.dirname(master))).toEqual(['master.key'])
  })

  test('that is damaged is not made anew', async () => {
    await writeFile(file, 'half of')
    await expect(keepMasterKey(file)).rejects.toThrow('Restore it from a backup')
    expect(await readFile(file, 'utf8')).toBe('half of')
  })
})
