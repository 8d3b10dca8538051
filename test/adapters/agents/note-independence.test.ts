import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { noteIndependence } from '../../../src/adapters/agents/note-independence.ts'
import type { Database } from '../../../src/adapters/postgres/database.ts'
import { bytea } from '../../../src/adapters/postgres/sql.ts'
import { migratedDatabase } from '../../support/migrated-database.ts'
import { party } from '../../support/pipeline.ts'

let database: Database
beforeAll(async () => {
  database = await migratedDatabase()
})
afterAll(() => database.close())

const [north, east] = ['north', 'east'].map(name => party(name).identityKey)
const known = async () => {
  const { rows } = await database.pool.query<{ operator: string; independence: string }>(
    `select encode(operator, 'hex') as operator, independence from operators order by first_ms, operator`,
  )
  return Object.fromEntries(rows.map(({ operator, independence }) => [operator, independence]))
}

describe('that operators are one person’s', () => {
  test('is taken down for those that are named, and taken back once it is not said any more', async () => {
    const { pool } = database
    await noteIndependence(pool, [north ?? ''], 'claimed', 1)
    expect(await known()).toEqual({})
    await pool.query('insert into operators (operator, first_ms, changed_ms) values ($1, 1, 1)', [
      bytea(east ?? ''),
    ])
    await noteIndependence(pool, [north ?? '', east ?? ''], 'simulated', 2)
    expect(await known()).toEqual({ [north ?? '']: 'simulated', [east ?? '']: 'simulated' })
    await noteIndependence(pool, [north ?? ''], 'claimed', 3)
    expect(await known()).toEqual({ [north ?? '']: 'claimed', [east ?? '']: 'simulated' })
  })
})
