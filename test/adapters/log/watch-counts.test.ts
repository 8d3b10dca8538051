import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { migrations } from '../../../migrations/index.ts'
import { watchCounts } from '../../../src/adapters/log/watch-counts.ts'
import { type Database, openDatabase } from '../../../src/adapters/postgres/database.ts'
import { migrate } from '../../../src/adapters/postgres/migrate.ts'
import { type TemporaryDatabase, temporaryDatabase } from '../../support/database.ts'
import { silentLog } from '../../support/silent-log.ts'
import { until } from '../../support/until.ts'
import { writeLog } from '../../support/written-log.ts'

let temporary: TemporaryDatabase
let database: Database
let pool: pg.Pool
beforeAll(async () => {
  temporary = await temporaryDatabase()
  database = await openDatabase({ url: temporary.url, log: silentLog, applicationName: 'test' })
  pool = database.pool
  await migrate(database, migrations)
})
afterAll(async () => {
  await database.close()
  await temporary.drop()
})

describe('a watch over the counts of a log', () => {
  test('says once what does not fit, and when it fits again', async () => {
    const partitionId = await writeLog(pool, [
      { accepted: 2, mark: true },
      { accepted: 1 },
      { quarantined: 2 },
    ])
    const said: string[] = []
    const failures: unknown[] = []
    const watch = watchCounts({
      pool,
      everyMs: 5,
      onDiscrepancy: sentence => void said.push(sentence),
      onFailure: error => void failures.push(error),
    })
    await until(() => watch.held() === 2)
    expect([watch.discrepancies(), said]).toEqual([0, []])

    await pool.query('update partition_heads set duplicate = 1')
    await until(() => watch.discrepancies() === 1)
    // Rounds later it is still the same sentence.
    await writeLog(pool, [{ quarantined: 1 }], 'other')
    await until(() => watch.held() === 3)
    expect(said).toEqual([
      'stream "sensors.temperature", partition 0: the head counts 1 duplicate, and the appends up to it 0',
    ])

    await pool.query('update partition_heads set duplicate = 0 where partition_id = $1', [partitionId])
    await until(() => watch.discrepancies() === 0)
    await pool.query(`update quarantine set state = 'released' where partition_id = $1`, [partitionId])
    await until(() => watch.discrepancies() === 1)
    expect(said.at(-1)).toContain('0 held rows stand in quarantine, and the appends count 2')
    await watch.stop()
    expect(failures).toEqual([])
  })
})
