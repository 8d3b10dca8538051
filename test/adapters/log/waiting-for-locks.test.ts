import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { leasePartitions, letLeasesGo } from '../../../src/adapters/log/leases.ts'
import { type LogBed, openLogBed } from '../../support/log-bed.ts'
import { until } from '../../support/until.ts'

let bed: LogBed
beforeEach(async () => {
  bed = await openLogBed()
})
afterEach(() => bed.end())

const waitingForLocks = async () => {
  const { rows } = await bed.database.pool.query(
    `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  )
  return rows.length
}
const native = { eventType: 'reading', externalId: 'a', data: 1 }

describe('an append that PostgreSQL gives up to end a deadlock', () => {
  test('is tried again, and its sender never hears of it', async () => {
    await bed.send([{ first: true }])
    const other = await bed.database.pool.connect()
    await other.query('begin')
    await other.query('select 1 from partition_heads for update')
    const sent = bed.send([native])
    await until(async () => (await waitingForLocks()) === 1)
    await other
      .query(`insert into native_ids (source_id, native_id, latest_digest, latest_event_id, latest_ms, first_ms)
        values ('sensor-1', 'a', '', '', 0, 0)`)
      .catch(() => 'it was given up instead')
    await other.query('rollback')
    other.release()
    expect(await sent).toMatchObject([{ status: 'accepted' }])
  })
})

describe('letting leases go', () => {
  test('lets all of them go', async () => {
    await bed.putStream({ streamId: 'readings', shards: { by: 'event-id', count: 3 } })
    await bed.send([native])
    const { pool } = bed.database
    expect(await leasePartitions(pool, 'one', [1, 2, 3])).toHaveLength(3)
    await letLeasesGo(pool, 'one')
    expect(await leasePartitions(pool, 'another', [1, 2, 3])).toHaveLength(3)
  })
})
