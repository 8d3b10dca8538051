import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { overlayResubmission } from '../../migrations/044-overlay-resubmission.ts'
import type { Database } from '../../src/adapters/postgres/database.ts'
import { migratedDatabase } from '../support/migrated-database.ts'

let database: Database
beforeEach(async () => {
  database = await migratedDatabase()
  await overlayResubmission.down(database.knex)
})
afterEach(() => database.close())

const publisher = '02'.repeat(33)
const subject = (n: number) => n.toString(16).padStart(64, '0')

async function admitted(n: number, atMs: number, txid: number): Promise<void> {
  await database.pool.query(
    `insert into gitdata_events (txid, vout, publisher, stream_id, source_id, subject, count, carried, admitted_ms)
      values (decode($1, 'hex'), 0, decode($2, 'hex'), 's', 's', decode($3, 'hex'), 1, 'inline', $4)`,
    [subject(txid), publisher, subject(n), atMs],
  )
}

async function became(n: number, state: string, settledMs: number | null): Promise<void> {
  await database.pool.query(
    `update overlay_batches set state = $2, settled_ms = $3, attempts = 12, due_ms = 999 where subject = decode($1, 'hex')`,
    [subject(n), state, settledMs],
  )
}

async function answered(key: string, statuses: readonly Record<string, string>[]): Promise<void> {
  await database.pool.query(
    `insert into idempotency_keys (scope, key, body_hash, answer, created_ms) values ('overlay', $1, '\\x00', $2, 0)`,
    [key, JSON.stringify(statuses)],
  )
}

async function batches() {
  const { rows } = await database.pool.query(
    `select state, attempts, due_ms as "dueMs", admitted_ms as "admittedMs", lines_taken as lines, accepted, duplicate,
        quarantined, rejected
      from overlay_batches order by subject`,
  )
  return rows
}

describe('batches that were there before', () => {
  test('are tried again where they were submitted again in vain', async () => {
    for (const [n, state] of [
      [1, 'held'],
      [2, 'refused'],
      [3, 'taken'],
      [4, 'held'],
    ] as const) {
      await admitted(n, 100, n)
      await became(n, state, 200)
      if (n < 4) await admitted(n, 300, 10 + n)
    }
    await overlayResubmission.up(database.knex)
    expect(await batches()).toMatchObject([
      { state: 'waiting', attempts: 0, dueMs: 300, admittedMs: 300 },
      { state: 'waiting', attempts: 0, dueMs: 300, admittedMs: 300 },
      { state: 'taken', attempts: 12, admittedMs: 300 },
      { state: 'held', attempts: 12, admittedMs: 100 },
    ])
  })

  test('are taken from where they were, as the answers to their parts say', async () => {
    for (const n of [1, 2, 3]) await admitted(n, 100, n)
    const [event, revision, repetition, late, wrong] = [
      // Ids may hold what no column of JSON can, and what looks like an answer.
      { status: 'accepted', nativeId: 'a\u0000","status":"duplicate"' },
      { status: 'revision' },
      { status: 'duplicate' },
      { status: 'quarantined', reason: 'stale-event-time' },
      { status: 'rejected' },
    ]
    await answered(`${publisher}:${subject(1)}:0`, [event, revision, repetition])
    await answered(`${publisher}:${subject(1)}:1`, [event, late, wrong])
    await answered(`${publisher}:${subject(2)}`, [{ status: 'quarantined', reason: 'batch-unreadable' }])
    await overlayResubmission.up(database.knex)
    expect(await batches()).toMatchObject([
      { lines: 6, accepted: 3, duplicate: 1, quarantined: 1, rejected: 1 },
      { lines: 0, accepted: null },
      { lines: 0, accepted: null },
    ])
  })
})
