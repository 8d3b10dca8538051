import { tmpdir } from 'node:os'
import path from 'node:path'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../../src/adapters/postgres/database.ts'
import { openPressure, type PressureDeps, pressureBounds } from '../../../src/adapters/pressure/pressure.ts'
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

async function opened(more: Partial<PressureDeps> = {}) {
  const told: string[] = []
  const pressure = await openPressure({
    pool,
    folders: [path.join(tmpdir(), 'nobody-has-made-this', 'yet')],
    waiting: () => ({ events: 0, bytes: 0 }),
    bounds: pressureBounds,
    everyMs: 5,
    onChange: ({ backlog, disk }) => void told.push(`backlog ${backlog}, disk ${disk}`),
    onPushBack: why => void told.push(why),
    onFailure: error => void told.push(String(error)),
    ...more,
  })
  return { pressure, told }
}

describe('a node under pressure', () => {
  test('refuses while more events wait for a packet than may, and takes in again by itself', async () => {
    const { pressure, told } = await opened({
      bounds: { ...pressureBounds, unpackedEventsMax: 5, freeBytesMin: 0 },
    })
    expect(pressure.pushBack.why()).toBeUndefined()
    await writeLog(pool, [{ accepted: 3, mark: true }, { accepted: 2, unmade: true }, { accepted: 3 }])
    await until(() => pressure.load().unpackedEvents === 5)
    expect(pressure.pushBack.why()).toEqual({ why: 'backlog', retryAfterS: 2 })
    await pool.query('update partition_heads set next_seq = 6')
    await until(() => pressure.pushBack.why() === undefined)
    await pressure.stop()
    expect(told).toEqual(['backlog true, disk false', 'backlog false, disk false'])
    // Asking counts nobody; who refuses says so.
    pressure.pushBack.count({ why: 'backlog', retryAfterS: 2 })
    expect(told.slice(2)).toEqual(['backlog'])
  })

  test('refuses from its first moment where the disk is full, before it is asked twice', async () => {
    const { pressure } = await opened({
      bounds: { ...pressureBounds, freeBytesMin: Number.MAX_SAFE_INTEGER },
    })
    expect(pressure.pushBack.why()).toEqual({ why: 'disk', retryAfterS: 60 })
    expect(pressure.load().freeBytes).toBeGreaterThan(0)
    await pressure.stop()
  })

  test.each([
    { events: 80_000, bytes: 0 },
    { events: 0, bytes: 96 * 1024 * 1024 },
  ])('refuses at once while so much waits to be durable: %j', async waiting => {
    const { pressure } = await opened({
      waiting: () => waiting,
      bounds: { ...pressureBounds, freeBytesMin: 0 },
    })
    expect(pressure.pushBack.why()).toMatchObject({ why: 'backlog' })
    await pressure.stop()
  })
})
