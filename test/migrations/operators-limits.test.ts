import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { publishersQuarantine } from '../../migrations/037-publishers-quarantine.ts'
import { operatorsLimits } from '../../migrations/038-operators-limits.ts'
import type { Database } from '../../src/adapters/postgres/database.ts'
import { migratedDatabase } from '../support/migrated-database.ts'

const publisher = `02${'a'.repeat(64)}`

describe('limits, when those of operators are first kept apart', () => {
  let database: Database
  beforeAll(async () => {
    database = await migratedDatabase()
  })
  afterAll(() => database.close())

  test('are the ceiling where an operator has changed them last, as they were', async () => {
    const { pool, knex } = database
    await operatorsLimits.down(knex)
    await pool.query(`insert into policy_sets (digest, policy, created_ms) values (sha256('p'), '{}', 0)`)
    const stream = (streamId: string) =>
      pool.query(
        `insert into streams (stream_id, audience, level, shards_by, shards_count, domain, policy_digest, lateness_ms,
            created_ms, updated_ms)
          values ($1, 'public', 'enhanced', 'key', 1, 'd', sha256('p'), 0, 0, 0)`,
        [streamId],
      )
    const change = (streamId: string, who: string, was: object, became: object) =>
      pool.query(
        `insert into registry_changes (at_ms, who, kind, subject, what, was, became)
          values (0, $1, 'stream', $2, 'changed', jsonb_build_object('limits', $3::jsonb),
            jsonb_build_object('limits', $4::jsonb))`,
        [who, streamId, JSON.stringify(was), JSON.stringify(became)],
      )
    const [five, two] = [{ eventsPerSecond: 5 }, { eventsPerSecond: 2 }]
    await stream('by-operator')
    await change('by-operator', 'admin', {}, five)
    await change('by-operator', publisher, five, two)
    // What the operator changed then was something else.
    await change('by-operator', 'admin', two, two)
    await stream('by-publisher')
    await change('by-publisher', publisher, {}, two)
    await stream('free-again')
    await change('free-again', 'admin', {}, five)
    await change('free-again', 'admin', five, {})
    await operatorsLimits.up(knex)
    const { rows } = await pool.query(
      'select stream_id as id, limits_by_operator as limits from streams order by stream_id',
    )
    expect(rows).toEqual([
      { id: 'by-operator', limits: five },
      { id: 'by-publisher', limits: {} },
      { id: 'free-again', limits: {} },
    ])
  })
})

describe('decisions of publishers over what is held', () => {
  let database: Database
  beforeAll(async () => {
    database = await migratedDatabase()
  })
  afterAll(() => database.close())

  test('go with the step that brought them, and nothing else of the record does', async () => {
    const { pool, knex } = database
    const record = (kind: string, what: string) =>
      pool.query(
        `insert into registry_changes (at_ms, who, kind, subject, what) values (0, 'admin', $1, 'a', $2)`,
        [kind, what],
      )
    await record('source', 'created')
    await record('quarantine', 'waived')
    await publishersQuarantine.down(knex)
    const { rows } = await pool.query('select kind from registry_changes')
    expect(rows).toEqual([{ kind: 'source' }])
    await expect(pool.query('delete from registry_changes')).rejects.toThrow('registry_changes')
    await expect(record('quarantine', 'released')).rejects.toThrow('registry_changes_kind_check')
    await publishersQuarantine.up(knex)
    await record('quarantine', 'released')
  })
})
