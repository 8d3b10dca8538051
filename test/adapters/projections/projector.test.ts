import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { countIntervals } from '../../../src/adapters/projections/intervals.ts'
import { projectionBounds, projectSome } from '../../../src/adapters/projections/project.ts'
import { readSecretStanding } from '../../../src/adapters/projections/secret-standing.ts'
import type { Json } from '../../../src/core/canonical-json.ts'
import { qualityFlags } from '../../../src/core/event/quality-flags.ts'
import { eventWord } from '../../../src/core/jobs/vocabulary.ts'
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

  test('of one partition waits where its log contradicts itself, and the others go on', async () => {
    await bed.send([reading(1)])
    await bed.putStream({ streamId: 'others' })
    await bed.send([reading(2)], { source: { ...bed.source, streams: ['others'] } })
    await bed.database.pool.query('alter table segments disable trigger user')
    await query('update segments set count = 2, received = 2 where partition_id = 1')
    const step = await project()
    expect(step.events).toBe(1)
    expect(step.unread.map(({ partitionId, error }) => [partitionId, String(error)])).toEqual([
      [1, expect.stringContaining('append 0 of partition 1 counts 2 events and holds 1 lines')],
    ])
    expect(await query('select stream_id from overlay_events')).toEqual([{ stream_id: 'others' }])
    expect(await project()).toEqual({ events: 0, isMore: false, unread: [] })
    await query('update segments set count = 1, received = 1 where partition_id = 1')
    bed.clock.ms += projectionBounds.againMs
    expect((await project()).events).toBe(1)
  })

  test('is counted by source and minute once the minute is over', async () => {
    await bed.send([reading(1), reading(2)])
    bed.clock.ms += 60_000
    await bed.send([reading(3)])
    await countIntervals(bed.database.pool, bed.clock.ms + 600_000)
    expect(await query('select * from overlay_event_metrics')).toEqual([])
    await projectAll()
    await countIntervals(bed.database.pool, bed.clock.ms + 600_000)
    const minutes = await query(
      'select metric_type, source_id, agent_id, event_count, success_count, error_count, processing_time_ms, overlay_latency_ms, recorded_at from overlay_event_metrics order by recorded_at',
    )
    const known = {
      metric_type: 'ingestion',
      source_id: 'sensor-1',
      agent_id: null,
      error_count: 0,
      processing_time_ms: null,
      overlay_latency_ms: null,
    }
    const begin = bed.clock.ms - 60_000
    expect(minutes).toEqual([
      { ...known, event_count: 2, success_count: 2, recorded_at: new Date(begin) },
      { ...known, event_count: 1, success_count: 1, recorded_at: new Date(begin + 60_000) },
    ])
  })
})

describe('the state of a packet', () => {
  test('is told of its events in the words of both families', async () => {
    const { pool } = bed.database
    await bed.send([reading(1)])
    await projectAll()
    const bytes = Buffer.alloc(32, 1)
    await pool.query(
      `insert into seal_marks select id, 0, 1, 1, 0, $1, $1, 1, 0, 0, 0, 0, 'time', 0 from partitions`,
      [bytes],
    )
    await pool.query(`insert into packets select id, 0, $1, '{}', 0, 1, 1, $1, 0 from partitions`, [bytes])
    await pool.query(
      `insert into packet_states (partition_id, packet_no, state, ingested_at, changed_at)
        select id, 0, 'received', now(), now() from partitions`,
    )
    const states = [
      'received',
      'normalized',
      'validated',
      'certified',
      'anchored',
      'proven',
      'split',
    ] as const
    for (const state of states) {
      await pool.query('update packet_states set state = $1', [state])
      const [overlay] = await query('select validation_status as word from overlay_events')
      const [ingest] = await query('select status as word from ingest_events')
      expect([state, overlay.word, ingest.word]).toEqual([
        state,
        eventWord('overlay', state),
        eventWord('ingest', state),
      ])
    }
  })
})

describe('a source that signs with HMAC', () => {
  test('has a secret until its last one ends', async () => {
    const { pool } = bed.database
    const add = (id: string, how: string) =>
      pool.query(
        "insert into overlay_event_sources (source_id, name, source_type, configuration) values ($1, $1, 'webhook', $2)",
        [id, JSON.stringify({ authentication: how })],
      )
    for (const id of ['bare', 'ends', 'gone', 'lives']) await add(id, 'hmac')
    await add('open', 'none')
    const secret = (id: string, number: number, untilMs: number | null, revokedMs: number | null) =>
      pool.query(
        'insert into source_secrets (source_id, number, sealed, fingerprint, created_ms, until_ms, revoked_ms) values ($1, $2, $3, $4, 0, $5, $6)',
        [id, number, revokedMs === null ? Buffer.alloc(9) : null, Buffer.from([number]), untilMs, revokedMs],
      )
    await secret('ends', 1, 5, null)
    await secret('ends', 2, 9, null)
    await secret('gone', 1, null, 3)
    await secret('lives', 1, 5, null)
    await secret('lives', 2, null, null)
    expect(await readSecretStanding(pool)).toEqual([
      { sourceId: 'bare', untilMs: 0 },
      { sourceId: 'ends', untilMs: 9 },
      { sourceId: 'gone', untilMs: 0 },
      { sourceId: 'lives', untilMs: null },
    ])
  })
})
