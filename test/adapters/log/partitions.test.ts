import { afterEach, beforeEach, expect, test } from 'vitest'
import { type LogBed, openLogBed } from '../../support/log-bed.ts'
import { until } from '../../support/until.ts'

let bed: LogBed
beforeEach(async () => {
  bed = await openLogBed()
})
afterEach(() => bed.end())

test('partitions that are opened at once are seen in the order of their numbers', async () => {
  const { pool } = bed.database
  await bed.putStream({ streamId: 'slow' })
  await bed.putStream({ streamId: 'quick' })
  // A transaction that has its number, and takes its time until it is seen.
  await pool.query(`
    create function take_time() returns trigger language plpgsql as
      $$ begin perform pg_advisory_xact_lock(1, 1); return new; end $$;
    create trigger take_time after insert on partitions for each row when (new.stream_id = 'slow')
      execute function take_time()`)
  const waiting = async () => {
    const { rows } = await pool.query('select 1 from pg_locks where not granted and locktype = $1', [
      'advisory',
    ])
    return rows.length
  }
  const seen = async () => {
    const { rows } = await pool.query<{ id: number }>('select id from partitions')
    return rows.map(({ id }) => id)
  }
  const holder = await pool.connect()
  await holder.query('select pg_advisory_lock(1, 1)')
  const sendTo = (streamId: string) =>
    bed.send([{ streamId }], { source: { ...bed.source, streams: [streamId] } })
  const slow = sendTo('slow')
  await until(async () => (await waiting()) === 1)
  let isQuickDone = false
  const quick = sendTo('quick').then(() => {
    isQuickDone = true
  })
  await until(async () => isQuickDone || (await waiting()) === 2)
  const before = await seen()
  await holder.query('select pg_advisory_unlock(1, 1)')
  holder.release()
  await Promise.all([slow, quick])
  const late = (await seen()).filter(id => !before.includes(id))
  expect(late).toHaveLength(2 - before.length)
  expect(before.filter(id => late.some(other => other < id))).toEqual([])
})
