import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { watchCounts } from '../../../src/adapters/log/watch-counts.ts'
import type { Database } from '../../../src/adapters/postgres/database.ts'
import type { Queryable } from '../../../src/adapters/postgres/sql.ts'
import { migratedDatabase } from '../../support/migrated-database.ts'
import { until } from '../../support/until.ts'
import { writeLog } from '../../support/written-log.ts'

let database: Database
let pool: pg.Pool
beforeAll(async () => {
  database = await migratedDatabase()
  pool = database.pool
})
afterAll(() => database.close())

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

  test('takes no seal mark for too many that has come since it read the head', async () => {
    const partitionId = await writeLog(pool, [{ accepted: 2, mark: true }], 'sealed meanwhile')
    let looks = 0
    const before: Queryable = Object.assign(Object.create(pool), {
      async query(...asked: [{ readonly name?: string }]) {
        const { rows }: pg.QueryResult = await Reflect.apply(pool.query, pool, asked)
        if (asked[0].name !== 'read-counted') return { rows }
        looks += 1
        // The head as it stood before that.
        return {
          rows: rows
            .filter(row => row.partitionId === partitionId)
            .map(row => ({ ...row, nextPacket: 0, sealedSeq: 0, watermarkMs: 0 })),
        }
      },
    })
    const said: string[] = []
    const watch = watchCounts({
      pool: before,
      everyMs: 5,
      onDiscrepancy: sentence => void said.push(sentence),
      onFailure: error => void said.push(String(error)),
    })
    await until(() => looks > 1)
    await watch.stop()
    expect(said).toEqual([])
  })
})
