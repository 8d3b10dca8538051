import pg from 'pg'
import { sha256Hex } from '#sha256'
import { referenceEvent } from '../reference-event.ts'
import type { Limit, LimitOptions } from './limit.ts'

const CONNECTIONS = 8

const tables = `
  create table seed_events (event_id text primary key, source_id text, raw_json text not null, normalized_json text, status text not null,
    content_hash text, version_id text, evidence_json text, created_at bigint not null, updated_at bigint not null);
  create index on seed_events (source_id);
  create index on seed_events (status);
  create index on seed_events (created_at);
  create table seed_jobs (job_id text primary key, event_id text not null, state text not null, attempts integer not null,
    next_run_at bigint not null, evidence_json text, created_at bigint not null, updated_at bigint not null);
  create index on seed_jobs (state, next_run_at);
  create index on seed_jobs (event_id)`

const insertEvent = `insert into seed_events values ($1, $2, $3, null, 'received', null, null, '[]', $4, $4)`
const insertJob = `insert into seed_jobs values ($1, $2, 'queued', 0, $3, '[]', $3, $3)`
const claim = `update seed_jobs set state = 'running', updated_at = $1 where job_id = (select job_id from seed_jobs
  where state = 'queued' and next_run_at <= $1 order by next_run_at limit 1 for update skip locked) returning job_id, event_id`
const read = 'select raw_json from seed_events where event_id = $1'
const certify = `update seed_events set status = 'certified', normalized_json = $2, content_hash = $3, version_id = $4, updated_at = $5
  where event_id = $1`
const finish = `update seed_jobs set state = 'done', updated_at = $2 where job_id = $1`

/**
 * One row, one job, one update for each event, as the pipeline was first sketched, and nobody to agree with: what the same server does with
 * it, over as many connections as help. The event is hashed and changes its state; nothing is normalized, signed or told.
 */
export async function seedShape(url: string, { postgres, seconds }: LimitOptions): Promise<Limit> {
  const clients = Array.from({ length: CONNECTIONS }, () => new pg.Client(url))
  try {
    await Promise.all(clients.map(client => client.connect()))
    await clients[0]?.query(tables)
    let next = 0
    let done = 0
    const [before, own, startedMs] = [postgres?.(), process.cpuUsage(), performance.now()]
    await Promise.all(
      clients.map(async client => {
        while (performance.now() - startedMs < 1000 * seconds) {
          const n = next++
          const nowMs = Date.now()
          const { source_id, ...event } = referenceEvent(n)
          await client.query(
            named('seed-event', insertEvent, [`ev-${n}`, source_id, JSON.stringify(event), nowMs]),
          )
          await client.query(named('seed-job', insertJob, [`job-${n}`, `ev-${n}`, nowMs]))
          if (await work(client)) done += 1
        }
      }),
    )
    const wallMs = performance.now() - startedMs
    const after = postgres?.()
    const { user, system } = process.cpuUsage(own)
    return {
      perSecond: (1000 * done) / wallMs,
      cpuMicroseconds:
        before === undefined || after === undefined ? null : (1000 * (after - before) + user + system) / done,
    }
  } finally {
    for (const client of clients) await client.end()
  }
}

/** False where others have taken all that there was. */
async function work(client: pg.Client): Promise<boolean> {
  const nowMs = Date.now()
  const { rows: claimed } = await client.query<{ job_id: string; event_id: string }>(
    named('seed-claim', claim, [nowMs]),
  )
  const [job] = claimed
  if (job === undefined) return false
  const { rows } = await client.query<{ raw_json: string }>(named('seed-read', read, [job.event_id]))
  const text = rows[0]?.raw_json ?? ''
  const hash = sha256Hex(text)
  await client.query(named('seed-certify', certify, [job.event_id, text, hash, `v-${hash}`, nowMs]))
  await client.query(named('seed-finish', finish, [job.job_id, nowMs]))
  return true
}

function named(name: string, text: string, values: readonly unknown[]) {
  return { name, text, values: [...values] }
}
