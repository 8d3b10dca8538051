import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { notTheDatabase } from '../../../../src/adapters/reading/live/not-the-database.ts'
import { emptyDatabase } from '../../../support/database.ts'
import type { TemporaryDatabase } from '../../../support/new-database.ts'

const ofTheDisk = Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' })

describe('what could not be read', () => {
  let database: TemporaryDatabase
  let pool: pg.Pool
  beforeAll(async () => {
    database = await emptyDatabase()
    pool = new pg.Pool({ connectionString: database.url, max: 1 })
  })
  afterAll(async () => {
    await pool.end()
    await database.drop()
  })

  test('is a gap where it is to blame itself', async () => {
    await notTheDatabase(ofTheDisk, pool)
    await notTheDatabase(new Error('the output has another hash'), pool)
  })

  test('is read again where the database was away, though it is back', async () => {
    const lost = new Error('Connection terminated unexpectedly')
    const cancelled = await pool.query("select 1 from pg_sleep('x')").catch(error => error)
    const late = new Error('timeout exceeded when trying to connect')
    for (const error of [lost, new Error('the object', { cause: lost }), cancelled, late])
      await expect(notTheDatabase(error, pool)).rejects.toBe(error)
  })

  test('is read again where the database cannot be asked', async () => {
    const away = new pg.Pool({ host: '127.0.0.1', port: 1 })
    await expect(notTheDatabase(ofTheDisk, away)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await away.end()
  })
})
