import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openEventLog } from '../../src/adapters/log/event-log.ts'
import { openAccept } from '../../src/ingest/accept.ts'
import { type IngestEvents, ingestEvents } from '../../src/runtime/ingest-events.ts'
import { type Metrics, openMetrics } from '../../src/runtime/metrics.ts'
import { arrivedWith, LOG_KEY, type LogBed, openLogBed, sampleSource } from '../support/log-bed.ts'

let bed: LogBed
let metrics: Metrics
let events: IngestEvents
let log: ReturnType<typeof openEventLog>
beforeAll(async () => {
  bed = await openLogBed()
  metrics = openMetrics()
  events = ingestEvents(metrics, () => bed.clock.ms)
  const { pool } = bed.database
  log = openEventLog({
    pool,
    logKey: LOG_KEY,
    network: 'local',
    now: () => bed.clock.ms,
    onAppended: events.onAppended,
  })
})
afterAll(async () => {
  await log.stop()
  await bed.end()
})

const lineOf = async (name: string) =>
  (await metrics.registry.metrics()).split('\n').filter(line => line.startsWith(name))
const heldId = async () => String((await bed.database.pool.query('select id from quarantine')).rows[0]?.id)

describe('what was answered', () => {
  test('is counted by the names that publishers know', async () => {
    const accept = openAccept({
      findStream: async streamId => bed.streams.get(streamId),
      forgetStreams: () => undefined,
      append: log.append,
      randomKey: () => new Uint8Array(16),
    })
    const source = {
      ...sampleSource,
      time: { skewMsMax: 5_000, onFuture: 'quarantine', onStale: 'flag' },
    } as const
    const receivedMs = bed.clock.ms
    const event = (id: string, timestamp: number) => ({
      eventType: 'reading',
      externalId: id,
      timestamp,
      data: id,
    })
    const items = [
      event('a', receivedMs - 200),
      event('b', receivedMs - 20_000),
      event('a', receivedMs - 200),
      7,
    ]
    await accept(arrivedWith([...items, event('c', receivedMs + 3_600_000)], { receivedMs, source }))
    bed.clock.ms += 1_000

    expect(await lineOf('events_ingested_total')).toEqual([
      'events_ingested_total{connector="http",payload_type="GENERIC_JSON_V1"} 2',
    ])
    expect(await lineOf('dedup_hits_total')).toEqual(['dedup_hits_total 1'])
    expect(await lineOf('events_quarantined_total')).toEqual([
      'events_quarantined_total{reason="future-event-time"} 1',
    ])
    expect(await lineOf('assay_ingest_rejected_events_total')).toEqual([
      'assay_ingest_rejected_events_total{code="event-unreadable"} 1',
    ])
    expect(await lineOf('assay_ingest_ack_seconds_count')).toEqual(['assay_ingest_ack_seconds_count 1'])
    expect(events.eventsPerSecond()).toBe(0.2)

    const releases = [{ quarantineId: await heldId(), who: 'an operator' }]
    await accept(arrivedWith([event('c', receivedMs + 3_600_000)], { receivedMs, source, releases }))
    expect(await lineOf('events_quarantined_total')).toEqual([
      'events_quarantined_total{reason="future-event-time"} 1',
    ])
  })
})
