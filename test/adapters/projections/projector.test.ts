import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { projectionBounds, projectSome } from '../../../src/adapters/projections/project.ts'
import type { Json } from '../../../src/core/canonical-json.ts'
import { qualityFlags } from '../../../src/core/event/quality-flags.ts'
import { type LogBed, openLogBed } from '../../support/log-bed.ts'

let bed: LogBed
beforeEach(async () => {
  bed = await openLogBed()
})
afterEach(() => bed.end())

const project = (bounds = {}) =>
  projectSome(bed.database.pool, { ...projectionBounds, ...bounds }, bed.clock.ms)
async function projectAll(bounds = {}): Promise<number> {
  for (let events = 0; ; ) {
    const step = await project(bounds)
    events += step.events
    if (!step.isMore) return events
  }
}
const query = async (sql: string) => (await bed.database.pool.query(sql)).rows
const reading = (n: number, more: Record<string, Json> = {}): Json => ({
  eventType: 'reading',
  externalId: `n-${n}`,
  timestamp: bed.clock.ms - 1_000 + n,
  data: { n },
  ...more,
})

describe('what was ingested', () => {
  test('is in overlay_events, with the columns that its clients know', async () => {
    const [first] = await bed.send([reading(1)])
    bed.clock.ms += 60_500
    const [revised] = await bed.send([
      reading(1, { data: { n: 'größer "1"\u0000' }, timestamp: bed.clock.ms }),
    ])
    expect(await projectAll()).toBe(2)
    const eventId = first?.status === 'accepted' ? first.eventId : ''
    expect(await query('select * from overlay_events order by sequence')).toMatchObject([
      {
        event_id: eventId,
        source_id: 'sensor-1',
        external_id: 'n-1',
        event_type: 'reading',
        raw_data: { n: 1 },
        normalized_data: null,
        validation_status: 'pending',
        validation_issues: null,
        content_hash: null,
        version_id: null,
        overlay_job_id: null,
        processing_agents: [],
        certification_evidence: null,
        overlay_distribution: null,
        ingested_at: new Date(1_800_000_000_000),
        processed_at: null,
        certified_at: null,
        event_time: new Date(1_799_999_999_001),
        stream_id: 'readings',
        partition: 0,
        sequence: 0,
        packet_id: null,
        quality_flags: 0,
        revises: null,
        state: 'received',
      },
      {
        event_id: revised?.status === 'revision' ? revised.eventId : '',
        raw_data: { n: 'größer "1"\ufffd' },
        sequence: 1,
        quality_flags: qualityFlags.REVISION,
        revises: eventId,
      },
    ])
    expect(await query('select * from ingest_events order by created_at')).toMatchObject([
      {
        event_id: eventId,
        raw_json: '{"n":1}',
        normalized_json: null,
        status: 'received',
        last_error: null,
        content_hash: null,
        version_id: null,
        evidence_json: null,
        created_at: 1_800_000_000,
        updated_at: 1_800_000_000,
      },
      { created_at: 1_800_000_060, updated_at: 1_800_000_060 },
    ])
  })

  test('names whose word it rests on', async () => {
    await bed.send([reading(1)])
    await bed.send([reading(1, { data: 2, timestamp: bed.clock.ms })])
    await projectAll()
    expect(
      await query('select source_id, relation, event_id = observation_id as own from event_source_relations'),
    ).toEqual([
      { source_id: 'sensor-1', relation: 'observed', own: true },
      { source_id: 'sensor-1', relation: 'observed', own: true },
      { source_id: 'sensor-1', relation: 'revises', own: false },
    ])
  })

  test('is projected once, however small the steps and however many at once', async () => {
    await bed.putStream({ streamId: 'readings', shards: { by: 'event-id', count: 4 } })
    for (let request = 0; request < 6; request++)
      await bed.send(Array.from({ length: 50 }, (_, i) => reading(request * 50 + i)))
    const workers = Array.from({ length: 4 }, () => projectAll({ eventsMax: 30, partitionsMax: 2 }))
    await Promise.all(workers)
    await projectAll()
    const rows = await query(
      'select count(*)::int as rows, count(distinct event_id)::int as events, count(distinct (partition_id, seq))::int as places from projected_events',
    )
    expect(rows).toEqual([{ rows: 300, events: 300, places: 300 }])
    expect(
      await query(
        'select from projection_positions as position join partition_heads as head using (partition_id) where position.next_append <> head.next_append or position.next_seq <> head.next_seq',
      ),
    ).toEqual([])
    expect(await query("select raw_data from overlay_events where external_id = 'n-217'")).toEqual([
      { raw_data: { n: 217 } },
    ])
  })
})
