import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { countIntervals } from '../../../src/adapters/projections/intervals.ts'
import { projectionBounds, projectSome } from '../../../src/adapters/projections/project.ts'
import { rebuildProjections } from '../../../src/adapters/projections/rebuild.ts'
import type { Json } from '../../../src/core/canonical-json.ts'
import { type LogBed, openLogBed } from '../../support/log-bed.ts'

let bed: LogBed
beforeEach(async () => {
  bed = await openLogBed()
  await bed.putStream({ streamId: 'readings', shards: { by: 'event-id', count: 3 } })
})
afterEach(() => bed.end())

const small = { ...projectionBounds, eventsMax: 40 }
const project = async (): Promise<void> => {
  while ((await projectSome(bed.database.pool, small, bed.clock.ms)).isMore);
}
const query = async (sql: string) => (await bed.database.pool.query(sql)).rows
const rows = async () => ({
  events: await query('select * from overlay_events order by event_id'),
  ingest: await query('select * from ingest_events order by event_id'),
  relations: await query('select * from event_source_relations order by event_id, observation_id'),
  metrics: await query(
    'select metric_type, source_id, event_count, success_count, error_count, throughput_events_per_sec, recorded_at from overlay_event_metrics order by recorded_at, source_id',
  ),
  bytes: await query(
    'select partition_id, next_append, next_seq, bytes from projection_positions order by 1',
  ),
})
const send = (from: number, count: number) =>
  bed.send(
    Array.from(
      { length: count },
      (_, i): Json => ({
        eventType: `kind-${i % 3}`,
        externalId: `n-${from + (i % 70)}`,
        data: { n: from + i },
      }),
    ),
  )
async function fill(): Promise<void> {
  for (let minute = 0; minute < 4; minute++) {
    await send(minute * 100, 100)
    bed.clock.ms += 60_000
  }
  bed.clock.ms += 300_000
  await project()
  while ((await countIntervals(bed.database.pool, bed.clock.ms)) === 'more');
}

describe('a rebuild', () => {
  test('ends with the rows that were there', async () => {
    await fill()
    const before = await rows()
    expect(before.events).toHaveLength(400)
    expect(before.metrics).toHaveLength(4)
    const rebuilt = await rebuildProjections(bed.database, () => bed.clock.ms, small)
    expect(rebuilt).toEqual({ events: 400, removed: 0 })
    expect(await rows()).toEqual(before)
  })

  test('puts right what somebody has changed, removed or added', async () => {
    await fill()
    const before = await rows()
    await query("update projected_events set event_type = 'other', seq = 9000 where event_type = 'kind-1'")
    await query("delete from projected_events where event_type = 'kind-2'")
    await query('update projection_positions set bytes = 7')
    await query('update overlay_event_metrics set event_count = 1')
    await query(
      `insert into projected_events select decode(repeat('ab', 32), 'hex'), partition_id, era, seq, event_ms,
        ingested_at, flags, line_at, line_bytes, source_id, event_type from projected_events limit 1`,
    )
    const { removed } = await rebuildProjections(bed.database, () => bed.clock.ms, small)
    expect(removed).toBe(1)
    expect(await rows()).toEqual(before)
  })

  test('takes in what was not projected yet', async () => {
    await send(0, 50)
    expect(await rebuildProjections(bed.database, () => bed.clock.ms, small)).toEqual({
      events: 50,
      removed: 0,
    })
    expect((await rows()).events).toHaveLength(50)
  })

  test('has every event once at any time, while others write, project and read', async () => {
    await fill()
    let isOver = false
    const seen: Json[] = []
    const reading = (async () => {
      while (!isOver)
        seen.push(
          ...(await query(
            'select count(*) >= 400 as enough, count(*) = count(distinct event_id) as once from projected_events',
          )),
        )
    })()
    const writing = (async () => {
      for (let from = 1000; from < 2000; from += 100) {
        await send(from, 100)
        await project()
      }
    })()
    await rebuildProjections(bed.database, () => bed.clock.ms, small)
    await writing
    isOver = true
    await reading
    await project()
    expect(seen.length).toBeGreaterThan(0)
    expect(seen.filter(each => JSON.stringify(each) !== '{"enough":true,"once":true}')).toEqual([])
    const after = await rows()
    expect(after.events).toHaveLength(1400)
    await rebuildProjections(bed.database, () => bed.clock.ms, small)
    expect(await rows()).toEqual(after)
  })

  test('is refused while another one is under way', async () => {
    const session = await bed.database.session()
    await session.query("select pg_advisory_lock(hashtextextended('assay: rebuild projections', 0))")
    await expect(rebuildProjections(bed.database, () => bed.clock.ms)).rejects.toThrow(
      /another process is rebuilding/,
    )
    await session.end()
  })
})
