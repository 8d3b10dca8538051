import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Database } from '../../../src/adapters/postgres/database.ts'
import { openLineageStore } from '../../../src/adapters/reading/lineage-store.ts'
import { openManifestMemory } from '../../../src/adapters/reading/manifest-memory.ts'
import { anybody } from '../../../src/core/registry/may-read.ts'
import { migratedDatabase } from '../../support/migrated-database.ts'
import { until } from '../../support/until.ts'

let database: Database
beforeAll(async () => {
  database = await migratedDatabase()
})
afterAll(() => database.close())

test('leave a connection to shorter questions, however many are asked for and however long they take', async () => {
  const { questions } = database
  const holder = await database.pool.connect()
  try {
    const waiting = async () => {
      const { rows } = await database.pool.query<{ count: number }>(
        `select count(*)::int as count from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock' and query like '%lineage_walk%'`,
      )
      return rows[0]?.count
    }
    await holder.query('begin; lock table dlm_parents in access exclusive mode')
    const store = openLineageStore(questions, openManifestMemory())
    const walks = Array.from({ length: 8 }, (_, n) =>
      store.lineageFor(anybody)(n.toString(16).repeat(64), 10, () => {}),
    )
    await until(async () => (await waiting()) === 2)
    expect((await questions.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    expect(questions.totalCount - questions.idleCount).toBe(2)
    await holder.query('rollback')
    await Promise.all(walks)
  } finally {
    holder.release()
  }
})
