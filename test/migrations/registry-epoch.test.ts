import { afterAll, beforeAll, expect, test } from 'vitest'
import { registryEpoch } from '../../migrations/042-registry-epoch.ts'
import type { Database } from '../../src/adapters/postgres/database.ts'
import { migratedDatabase } from '../support/migrated-database.ts'

let database: Database
beforeAll(async () => {
  database = await migratedDatabase()
})
afterAll(() => database.close())

test('the epoch of the registry goes without a trace, and begins again', async () => {
  const { pool, knex } = database
  const touch = () => pool.query('delete from streams')
  const kept = () =>
    pool.query(
      `select tgrelid::regclass::text as name from pg_trigger where tgname = 'registry_epoch'
        union all select proname from pg_proc where proname like '%registry_epoch%'
        union all select relname from pg_class where relname = 'registry_epoch' order by name`,
    )
  await touch()
  const before = (await kept()).rows
  expect(before).toHaveLength(6)
  await registryEpoch.down(knex)
  expect((await kept()).rows).toEqual([])
  await touch()
  await registryEpoch.up(knex)
  expect((await kept()).rows).toEqual(before)
  await touch()
  expect((await pool.query('select epoch from registry_epoch')).rows).toEqual([{ epoch: 1 }])
})
