import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { migrations } from '../../migrations/index.ts'
import type { Database } from '../../src/adapters/postgres/database.ts'
import { migratedDatabase } from '../support/migrated-database.ts'

describe('the views of jobs', () => {
  let database: Database
  beforeAll(async () => {
    database = await migratedDatabase()
    await database.pool.query(oneEventWithOneSeat)
  })
  afterAll(() => database.close())

  test('list a seat once for each event of its packet, in the words that overlay clients know', async () => {
    const { rows } = await database.pool.query('select * from overlay_event_jobs')
    expect(rows).toEqual([
      expect.objectContaining({
        job_id: `${'aa'.repeat(32)}.0`,
        event_id: 'ee'.repeat(32),
        job_type: 'normalize',
        job_status: 'running',
        overlay_job_template_id: 'packet.normalize.enhanced',
        output_data: null,
        packet_id: 'bb'.repeat(32),
        result_txid: null,
      }),
    ])
  })

  test('list an event once, with where its packet stands', async () => {
    const { rows } = await database.pool.query('select * from ingest_jobs')
    expect(rows).toEqual([
      expect.objectContaining({ event_id: 'ee'.repeat(32), state: 'running', attempts: 0 }),
    ])
  })

  test('can be taken back, with all that they stand on, and made again', async () => {
    const later = migrations.filter(({ name }) => name >= '020')
    for (const each of [...later].reverse()) await each.down(database.knex)
    for (const each of later) await each.up(database.knex)
    const { rows } = await database.pool.query('select * from overlay_event_jobs')
    expect(rows).toEqual([])
  })
})

const key = (byte: string) => `decode('${byte.repeat(33)}', 'hex')`
const hash = (byte: string) => `decode('${byte.repeat(32)}', 'hex')`

const oneEventWithOneSeat = `
  insert into policy_sets (digest, policy, created_ms) values (${hash('01')}, '{}', 0);
  insert into streams (stream_id, audience, level, shards_by, shards_count, domain, policy_digest, lateness_ms,
    created_ms, updated_ms) values ('s', 'public', 'enhanced', 'key', 1, 'd', ${hash('01')}, 0, 0, 0);
  insert into partitions (stream_id, partition, log, network, level, audience, shards_by, shards_index, shards_count,
    opened_ms) values ('s', 0, ${key('02')}, 'local', 'enhanced', 'public', 'key', 0, 1, 0);
  insert into seal_marks values (1, 0, 1, 1, 0, ${hash('01')}, ${hash('03')}, 1, 0, 0, 0, 0, 'time', 0);
  insert into packets values (1, 0, ${hash('bb')}, '{}', 0, 1, 10, ${hash('04')}, 0);
  insert into projected_events (event_id, partition_id, era, seq, event_ms, ingested_at, flags, line_at, line_bytes,
    source_id, event_type) values (${hash('ee')}, 1, 0, 0, 0, now(), 0, 0, 10, 'src', 't');
  insert into packet_standings (packet_id, partition_id, packet_no, level, audience, roster_digest, events, bytes,
    document_bytes, sealed_ms, status, round_id, rounds, changed_ms) values (${hash('bb')}, 1, 0, 'enhanced', 'public',
    ${hash('03')}, 1, 10, 500, 0, 'open', ${hash('05')}, 1, 0);
  insert into rounds (round_id, template, level, audience, attempt, document, input_hash, roster_digest, state, made_ms)
    values (${hash('05')}, 'packet', 'enhanced', 'public', 1, '{}', ${hash('06')}, ${hash('03')}, 'open', 0);
  insert into round_members (round_id, index, packet_id) values (${hash('05')}, 0, ${hash('bb')});
  insert into round_jobs (txid, round_id, template, stage, level, members, input_root, rebuild, deadline_ms,
    output_bytes_max, fan_out, made_ms) values (${hash('aa')}, ${hash('05')}, 'packet', 'normalize', 'enhanced', '{0}',
    ${hash('00')}, 0, 1000, 1000, 'all', 0);
  insert into round_seats (job_tx, vout, stage, agent_key, operator, endpoints, satoshis, state, next_run_ms, made_ms)
    values (${hash('aa')}, 0, 'normalize', ${key('07')}, ${key('08')}, '{}', 100, 'running', 0, 0)`
