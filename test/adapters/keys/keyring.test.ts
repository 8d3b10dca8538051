import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { inUse, openKey, rotateKey } from '../../../src/adapters/keys/keyring.ts'
import type { Database } from '../../../src/adapters/postgres/database.ts'
import { leadsTo } from '../../../src/contract/key-succession.ts'
import { migratedDatabase } from '../../support/migrated-database.ts'

describe('the keys of a database', () => {
  let database: Database
  const masterKey = Uint8Array.from(randomBytes(32))
  const keyring = () => ({ pool: database.pool, masterKey, now: () => 1_700_000_000_000 })
  beforeAll(async () => {
    database = await migratedDatabase()
  })
  afterAll(() => database.close())

  test('are the same for all who ask first at the same time', async () => {
    const asked = await Promise.all(Array.from({ length: 8 }, () => openKey('log', keyring())))
    expect(new Set(asked.map(keys => inUse(keys).identityKey)).size).toBe(1)
    expect(inUse(await openKey('log', keyring()))).toEqual(
      inUse(asked[0] ?? (await openKey('log', keyring()))),
    )
  })

  test('hand over one at a time, and the old ones stay', async () => {
    const [first] = await openKey('node', keyring())
    await Promise.all([rotateKey('node', keyring()), rotateKey('node', keyring())])
    const keys = await openKey('node', keyring())
    expect(keys).toHaveLength(3)
    expect(keys[0]).toEqual(first)
    const successions = keys.flatMap(({ succession }) => succession ?? [])
    expect(leadsTo(successions, first.identityKey, inUse(keys).identityKey)).toBe(true)
  })

  test('are not in the database as they are', async () => {
    const { privateKey } = inUse(await openKey('fuel', keyring()))
    const { rows } = await database.pool.query('select row_to_json(node_keys)::text as row from node_keys')
    const text = JSON.stringify(rows)
    expect(text).toContain('"')
    expect(text).not.toContain(Buffer.from(privateKey).toString('hex'))
  })

  test('do not open with another master key, and say whose is wanted', async () => {
    await openKey('log', keyring())
    const other = { ...keyring(), masterKey: Uint8Array.from(randomBytes(32)) }
    await expect(openKey('log', other)).rejects.toThrow('ASSAY_MASTER_KEY_FILE')
  })

  test('do not open in the place of another', async () => {
    await openKey('log', keyring())
    await openKey('fuel', keyring())
    const client = await database.pool.connect()
    try {
      await client.query('begin')
      await client.query(`update node_keys set sealed = (select sealed from node_keys where name = 'log')
        where name = 'fuel'`)
      await client.query('commit')
      await expect(openKey('fuel', keyring())).rejects.toThrow('sealed with another master key')
      await client.query(`delete from node_keys where name = 'fuel'`)
    } finally {
      client.release()
    }
  })
})
