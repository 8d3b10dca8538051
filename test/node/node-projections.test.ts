import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Standing } from '../../src/adapters/projections/standing.ts'
import { anybody } from '../../src/core/registry/may-read.ts'
import { ingestHealthBounds, lagInWords, secretsInWords } from '../../src/node/ingest-health.ts'
import { startNodeProjecting } from '../../src/node/node-projecting.ts'
import { openNodeProjections } from '../../src/node/node-projections.ts'
import { openMetrics } from '../../src/runtime/metrics.ts'
import { readSettings } from '../../src/runtime/settings.ts'
import { openStops } from '../../src/runtime/stops.ts'
import { type LogBed, openLogBed } from '../support/log-bed.ts'
import { silentLog } from '../support/silent-log.ts'
import { until } from '../support/until.ts'

describe('the projections of a node', () => {
  let bed: LogBed
  let folder: string
  beforeEach(async () => {
    bed = await openLogBed()
    folder = await mkdtemp(path.join(tmpdir(), 'assay-projections-'))
  })
  afterEach(async () => {
    await bed.end()
    await rm(folder, { recursive: true })
  })

  test('follow the log by themselves, and show how far behind they are', async () => {
    const stops = openStops(silentLog)
    const metrics = openMetrics()
    const { pool } = bed.database
    const now = () => bed.clock.ms
    startNodeProjecting({ ...{ pool, metrics, stops, now }, log: silentLog, busy: () => 0 })
    const projections = openNodeProjections(
      readSettings({ UHRP_DIR: folder, UHRP_FREE_BYTES_MIN: '0', ASSAY_MASTER_KEY: '11'.repeat(32) }),
      {
        ...{ pool, metrics, now },
        waiting: bed.log.waiting,
        eventsPerSecond: () => 0,
      },
    )
    const lines = async () => (await metrics.registry.metrics()).split('\n')
    const answers = await bed.send([
      { eventType: 'reading', timestamp: bed.clock.ms - 1_000, data: 1 },
      { eventType: 'reading', timestamp: bed.clock.ms, data: 2 },
    ])
    await until(async () => (await lines()).includes('assay_projected_events_total 2'))
    await until(async () => (await lines()).includes('assay_unprojected_events 0'))
    const seen = await lines()
    expect(seen).toContain('assay_unsealed_events 2')
    const [answer] = answers
    const eventId = answer?.status === 'accepted' ? answer.eventId : ''
    const found = await projections.findEvent(eventId, anybody)
    expect(found).toMatchObject({ seq: 0 })

    const checks = new Map(projections.checks.map(check => [check.name, check]))
    expect([...checks.keys()]).toEqual(['webhook-secrets', 'queue-lag', 'content-store'])
    expect(await checks.get('queue-lag')?.run()).toMatch(/^0 events wait to be taken in; 2 to be sealed/)
    expect(await checks.get('content-store')?.run()).toMatch(/bytes are free$/)
    await stops.run()
  })
})

describe('the health of ingest', () => {
  const day = 86_400_000
  const quiet: Standing = {
    unsealedEvents: 0,
    unsealedBytes: 0,
    unsealedSinceMs: null,
    unprojectedEvents: 0,
    unprojectedSinceMs: null,
  }

  test('names sources whose secrets are gone or end soon', () => {
    const say = (untilMs: number | null) =>
      secretsInWords(
        [
          { sourceId: 'roof', untilMs },
          { sourceId: 'door', untilMs: null },
        ],
        day,
        ingestHealthBounds,
      )
    expect(say(null)).toBe('2 sources sign with HMAC, all with a live secret')
    expect(say(30 * day)).toBe(say(null))
    expect(() => say(2 * day)).toThrow(/1 sources \(roof\) whose last secret ends soon/)
    expect(() => say(0)).toThrow(/1 sources \(roof\) without a live secret/)
  })

  test('complains of what waits too long, and of too much that waits', () => {
    const say = (change: Partial<Standing>, waiting = 0) =>
      lagInWords({ ...quiet, ...change }, waiting, day, ingestHealthBounds)
    expect(say({ unsealedEvents: 3, unsealedSinceMs: day - 1_000 })).toContain(
      '3 to be sealed, the oldest for 1000 ms',
    )
    expect(() => say({ unsealedSinceMs: day - 40_000 })).toThrow(/oldest for 40000 ms/)
    expect(() => say({ unprojectedSinceMs: day - 70_000 })).toThrow(/oldest for 70000 ms/)
    expect(() => say({}, 60_000)).toThrow(/60000 events wait/)
  })
})
