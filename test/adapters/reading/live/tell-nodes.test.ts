import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTellNodes, RECEIVED_CHANNEL } from '../../../../src/adapters/reading/live/tell-nodes.ts'
import { emptyDatabase } from '../../../support/database.ts'
import type { TemporaryDatabase } from '../../../support/new-database.ts'
import { until } from '../../../support/until.ts'

describe('what is appended', () => {
  let database: TemporaryDatabase
  let pool: pg.Pool
  let heard: string[]
  let listener: pg.Client
  beforeAll(async () => {
    database = await emptyDatabase()
    pool = new pg.Pool({ connectionString: database.url, max: 1 })
    listener = new pg.Client({ connectionString: database.url })
    await listener.connect()
    await listener.query(`listen ${RECEIVED_CHANNEL}`)
    listener.on('notification', ({ payload = '' }) => heard.push(payload))
  })
  afterAll(async () => {
    await listener.end()
    await pool.end()
    await database.drop()
  })
  const failures: unknown[] = []

  test('while the nodes are being told is told of next', async () => {
    heard = []
    const telling = openTellNodes(pool, error => void failures.push(error))
    const only = await pool.connect()
    telling.appended([1])
    await until(() => pool.waitingCount === 1)
    telling.appended([2])
    only.release()
    await until(() => heard.length >= 2)
    expect(heard).toEqual(['1', '2'])
    await telling.stop()
  })

  test('just before a node stops is told of before it has', async () => {
    heard = []
    const telling = openTellNodes(pool, error => void failures.push(error))
    telling.appended([1, 3])
    await telling.stop()
    await until(() => heard.length > 0)
    expect([heard, failures]).toEqual([['1 3'], []])
  })
})
