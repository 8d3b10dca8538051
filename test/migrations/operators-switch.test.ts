import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { operatorsSwitch } from '../../migrations/036-operators-switch.ts'
import type { Database } from '../../src/adapters/postgres/database.ts'
import { migratedDatabase } from '../support/migrated-database.ts'

const publisher = `02${'a'.repeat(64)}`

describe('what is off when operators are first asked apart', () => {
  let database: Database
  beforeAll(async () => {
    database = await migratedDatabase()
  })
  afterAll(() => database.close())

  test('stays off by whoever has switched it off last', async () => {
    const { pool, knex } = database
    await operatorsSwitch.down(knex)
    await pool.query(`insert into policy_sets (digest, policy, created_ms) values (sha256('p'), '{}', 0)`)
    const stream = (streamId: string, published: boolean) =>
      pool.query(
        `insert into streams (stream_id, audience, level, shards_by, shards_count, domain, policy_digest, lateness_ms,
            published, created_ms, updated_ms)
          values ($1, 'public', 'enhanced', 'key', 1, 'd', sha256('p'), 0, $2, 0, 0)`,
        [streamId, published],
      )
    const change = (streamId: string, who: string, was: boolean, became: boolean) =>
      pool.query(
        `insert into registry_changes (at_ms, who, kind, subject, what, was, became)
          values (0, $1, 'stream', $2, 'changed', jsonb_build_object('published', $3::boolean),
            jsonb_build_object('published', $4::boolean))`,
        [who, streamId, was, became],
      )
    await stream('by-operator', false)
    await change('by-operator', 'admin', true, false)
    // What changed afterwards was something else.
    await change('by-operator', publisher, false, false)
    await stream('by-publisher', false)
    await change('by-publisher', publisher, true, false)
    await stream('on-again', true)
    await change('on-again', 'admin', true, false)
    await change('on-again', 'admin', false, true)
    await operatorsSwitch.up(knex)
    const { rows } = await pool.query('select stream_id as id from streams where off_by_operator')
    expect(rows).toEqual([{ id: 'by-operator' }])
  })
})
