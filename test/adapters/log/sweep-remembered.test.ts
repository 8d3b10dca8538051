import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { KEY_MS_MAX } from '../../../src/adapters/log/idempotency.ts'
import { recount } from '../../../src/adapters/log/recount.ts'
import { sweepRemembered } from '../../../src/adapters/log/sweep-remembered.ts'
import { type LogBed, openLogBed } from '../../support/log-bed.ts'

let bed: LogBed
beforeEach(async () => {
  bed = await openLogBed()
})
afterEach(() => bed.end())

const DAY_MS = 86_400_000
const sweep = (rowsMax = 1000) =>
  sweepRemembered(bed.database.pool, { nowMs: bed.clock.ms, horizonMs: 30 * DAY_MS, rowsMax })
const door = (id: string, data: string, timestamp: number) => ({
  eventType: 'door',
  ...{ externalId: id, data, timestamp },
})
/** Each by itself: what one is depends on those before it. */
const sendEach = async (...items: ReturnType<typeof door>[]) => {
  const answers = []
  for (const item of items) answers.push((await bed.send([item]))[0])
  return answers
}

describe('idempotency keys that nobody is promised any more', () => {
  const keys = async () => {
    const { rows } = await bed.database.pool.query('select key from idempotency_keys order by key')
    return rows.map(({ key }) => key)
  }
  beforeEach(async () => {
    await bed.database.pool.query(
      `insert into idempotency_keys (scope, key, body_hash, created_ms)
        select 'a', 'old ' || n, ''::bytea, $1::bigint from generate_series(1, 5) as n union all values ('a', 'promised', ''::bytea, $2::bigint)`,
      [bed.clock.ms - KEY_MS_MAX - 1, bed.clock.ms - KEY_MS_MAX],
    )
  })

  test('go a few at a time, one time after another until none is left', async () => {
    expect([await sweep(2), await sweep(2), await sweep(2)]).toEqual(['more', 'more', undefined])
    expect(await keys()).toEqual(['promised'])
  })

  test('are left to who has them locked, and nobody waits', async () => {
    const other = await bed.database.pool.connect()
    await other.query('begin')
    await other.query("select 1 from idempotency_keys where key = 'old 3' for update")
    await sweep()
    await other.query('rollback')
    other.release()
    expect(await keys()).toEqual(['old 3', 'promised'])
  })
})

describe("ids of a source's own of which nothing new has come for long", () => {
  test('are still known by their latest payload, and never give an event an id that is in the log', async () => {
    const [, closed, lamp] = await sendEach(
      ...[door('door', 'open', 1), door('door', 'closed', 2), door('lamp', 'on', 1)],
    )
    bed.clock.ms += 31 * DAY_MS
    await sweep()
    const [again, still, late, back] = await sendEach(
      ...[door('door', 'closed', 2), door('lamp', 'on', 1), door('door', 'open', 1), door('door', 'open', 3)],
    )
    expect([again, still]).toMatchObject([
      { status: 'duplicate', of: closed && 'eventId' in closed && closed.eventId },
      { status: 'duplicate', of: lamp && 'eventId' in lamp && lamp.eventId },
    ])
    expect(late).toMatchObject({ status: 'quarantined', reason: 'identity-undecided' })
    expect(back).toMatchObject({ status: 'revision' })
    const { rows } = await bed.database.pool.query('select sum(count)::int as events from segments')
    expect(rows).toEqual([{ events: 4 }])
    expect(await recount(bed.database.pool, { deep: true })).toMatchObject({ discrepancy: undefined })
  })

  test('are remembered with all their payloads until then, counted from the last that was new', async () => {
    await sendEach(door('door', 'open', 1), door('door', 'closed', 2))
    bed.clock.ms += 29 * DAY_MS
    await sendEach(door('door', 'ajar', 3))
    bed.clock.ms += 29 * DAY_MS
    await sweep()
    expect(await sendEach(door('door', 'open', 1))).toMatchObject([{ status: 'duplicate' }])
  })

  test('are swept a few at a time as well', async () => {
    for (const id of ['a', 'b', 'c']) await sendEach(door(id, 'open', 1), door(id, 'closed', 2))
    bed.clock.ms += 31 * DAY_MS
    expect([await sweep(2), await sweep(2), await sweep(2)]).toEqual(['more', undefined, undefined])
  })
})
