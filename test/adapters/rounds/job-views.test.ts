import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sha256Hex } from '../../../src/core/sha256.node.ts'
import { type DisputedBed, disputedBed } from './disputed-bed.ts'
import { leaf } from './rounds-bed.ts'

let disputed: DisputedBed
beforeAll(async () => {
  disputed = await disputedBed()
  // As projections have them: all events of the two packets, five and three.
  await disputed.bed.query(
    `insert into projected_events (event_id, partition_id, era, seq, event_ms, ingested_at, flags, line_at, line_bytes,
        source_id, event_type)
      select sha256(('event ' || seq)::bytea), packet.partition_id, 0, seq, 0, to_timestamp(1800000000), 0, 0, 0,
          'sensor-1', 'reading'
        from packets as packet cross join generate_series(first_seq, first_seq + count - 1) as seq`,
  )
}, 60_000)
afterAll(() => disputed.end())

const eventId = (seq: number) => sha256Hex(`event ${seq}`)

describe('overlay_event_jobs', () => {
  test('has one row for each event and each agent that was asked about it, with what the agent said', async () => {
    const { bed, roundId, packetIds } = disputed
    const [first] = await bed.query<{ seq: number }>(
      `select first_seq as seq from packets where packet_id = decode($1, 'hex')`,
      [packetIds[1]],
    )
    const rows = await bed.query<Record<string, unknown>>(
      `select * from overlay_event_jobs where event_id = $1 and job_type = 'normalize' order by job_vout`,
      [eventId(first?.seq ?? 0)],
    )
    expect(rows).toHaveLength(3)
    const [row] = rows
    expect(row).toMatchObject({
      job_id: `${row?.['job_txid']}.0`,
      overlay_job_template_id: 'packet.normalize.enhanced',
      job_status: 'completed',
      input_data: { roundId, member: 1 },
      output_data: {
        leaf: leaf('quorum'),
        outputHash: sha256Hex(disputed.outputs.quorum),
        status: 'completed',
      },
      error_details: null,
      processing_evidence: [
        {
          step: 'normalize',
          agentId: row?.['assigned_agent'],
          outputHash: sha256Hex(disputed.outputs.quorum),
        },
      ],
      max_attempts: 3,
      packet_id: packetIds[1],
    })
    expect(rows.map(each => each['output_data'])).toMatchObject([
      { leaf: leaf('quorum') },
      { leaf: leaf('quorum') },
      { leaf: leaf('dissenting') },
    ])
    const silent = await bed.query<Record<string, unknown>>(
      `select distinct job_status, output_data, processing_evidence, result_txid from overlay_event_jobs
        where job_type = 'validate'`,
    )
    expect(silent).toEqual([
      { job_status: 'failed', output_data: null, processing_evidence: [], result_txid: null },
    ])
  })

  test('has the columns that others know', async () => {
    const rows = await disputed.bed.query<{ name: string }>(
      `select column_name as name from information_schema.columns where table_name = 'overlay_event_jobs'`,
    )
    const known = [
      'job_id',
      'event_id',
      'job_type',
      'assigned_agent',
      'overlay_job_template_id',
      'job_status',
    ]
    const more = [
      'input_data',
      'output_data',
      'error_details',
      'processing_evidence',
      'attempts',
      'max_attempts',
    ]
    const times = ['next_run_at', 'started_at', 'completed_at', 'created_at']
    expect(rows.map(({ name }) => name)).toEqual(expect.arrayContaining([...known, ...more, ...times]))
  })
})

describe('ingest_jobs', () => {
  test('has one row for each event, dead with its packet and the reason of that', async () => {
    const rows = await disputed.bed.query<Record<string, unknown>>(
      'select state, last_error is not null as told, attempts, evidence_json, created_at, count(*) as events from ingest_jobs group by 1, 2, 3, 4, 5 order by 1',
    )
    expect(rows).toMatchObject([
      { state: 'dead', told: true, attempts: 5, evidence_json: null, created_at: 1_800_000_000, events: 5 },
      { state: 'failed', told: false, evidence_json: null, events: 3 },
    ])
  })
})

describe('a question by the status of jobs', () => {
  test('reads seats by an index, and not all of them', async () => {
    const { pool } = disputed.bed.fuelBed.bed.database
    const client = await pool.connect()
    try {
      // Of few rows the planner may read all. Whether it could do without does not depend on how many.
      await client.query('set enable_seqscan = off')
      const { rows } = await client.query<{ 'QUERY PLAN': string }>(
        `explain select * from overlay_event_jobs where job_status = 'queued'`,
      )
      expect(rows.map(row => row['QUERY PLAN']).join('\n')).toContain('round_seats_by_state')
    } finally {
      // Not back to the pool: it is set up in its own way.
      client.release(true)
    }
  })
})
