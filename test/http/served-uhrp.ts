import { Registry } from 'prom-client'
import { bytea } from '../../src/adapters/postgres/sql.ts'
import { seatInOverlay } from '../../src/adapters/uhrp/may-upload.ts'
import { signUpload, type Upload } from '../../src/contract/work.ts'
import { toHex } from '../../src/core/bytes.ts'
import { nodeApp } from '../../src/http/app.ts'
import { httpLimits, listen } from '../../src/http/server.ts'
import { type UhrpRouteDeps, uhrpRoutes } from '../../src/http/uhrp-routes.ts'
import { coins, type Facts, jobTransaction, type Party, p2pkhSpend, party } from '../support/pipeline.ts'
import { testOnlyAuthentication } from '../support/test-only-authentication.ts'
import { type UhrpBed, uhrpBed } from '../support/uhrp-bed.ts'
import { HttpClient } from './raw-http.ts'

/** The routes of content by its hash over a store of its own, with authentication that believes what it is told. */
export type ServedUhrp = UhrpBed & {
  readonly port: number
  readonly url: string
  readonly client: HttpClient
  readonly failures: unknown[]
}

export const COORDINATOR_QUOTA_BYTES = 4 * 1024 * 1024

export async function servedUhrp(more: Partial<UhrpRouteDeps> = {}): Promise<ServedUhrp> {
  const bed = await uhrpBed({
    ...(more.limits?.objectBytesMax && { objectBytesMax: more.limits.objectBytesMax }),
  })
  const failures: unknown[] = []
  const { pool } = bed.database
  let url = ''
  const routes = uhrpRoutes({
    pool,
    store: bed.store,
    mayUpload: seatInOverlay({
      db: pool,
      coordinators: [coordinator.identityKey],
      quotaBytes: COORDINATOR_QUOTA_BYTES,
      now: bed.now,
    }),
    authentication: testOnlyAuthentication(),
    uploaders: 'any',
    quotaBytes: 1024 * 1024 * 1024,
    publicUrl: () => url,
    now: bed.now,
    onFailure: error => void failures.push(error),
    ...more,
  })
  const app = nodeApp({
    routes: [routes],
    metrics: new Registry(),
    network: 'local',
    onFailure: error => void failures.push(error),
  })
  const http = await listen(app, 0, '127.0.0.1', { ...httpLimits, drainMsMax: 100 })
  url = `http://127.0.0.1:${http.port}`
  const client = new HttpClient(http.port)
  return {
    ...bed,
    port: http.port,
    url,
    client,
    failures,
    async close() {
      client.close()
      await http.stop()
      await bed.close()
    },
  }
}

export const coordinator = party('coordinator')
export const agents = [party('agent 0'), party('agent 1'), party('agent 2')] as const

/** A job whose outputs 0 to 2 are the seats of `agents`, and output 3 the thread; admitted, as a topic would have. */
export async function admittedJob(
  { database, now }: UhrpBed,
  { outputBytesMax = 1024 * 1024, admitted = true, by = coordinator } = {},
): Promise<string> {
  const facts: Facts = {
    template: 'packet',
    stage: 'normalize',
    level: 'enhanced',
    members: [0],
    inputRoot: '00'.repeat(32),
    inputHash: 'ab'.repeat(32),
    deadlineMs: now() + 60_000,
    outputBytesMax,
  }
  const seats = agents.map((agent, n) => ({
    agent,
    operator: party(`operator ${n}`),
    operatorFromMs: 0,
    operatorToMs: facts.deadlineMs,
  }))
  const label = `fuel ${jobs++}`
  const fuel = p2pkhSpend(coins(by, label, 1), 0, by)
  const job = jobTransaction({ coordinator: by, subject: 'cd'.repeat(32) }, facts, seats, [fuel])
  const { pool } = database
  await pool.query('insert into transactions (txid, raw, stored_ms) values ($1, $2, 0)', [
    bytea(job.txid),
    job.raw,
  ])
  if (admitted)
    for (const vout of job.outputs.keys())
      await pool.query(`insert into outputs (txid, vout, topic, admitted_ms) values ($1, $2, 'tm_test', 0)`, [
        bytea(job.txid),
        vout,
      ])
  return job.txid
}

let jobs = 0

/** The path of an agent's upload, signed as it is announced. */
export function uploadPath(
  agent: Party,
  upload: Upload,
  forged: Readonly<Record<string, string>> = {},
): string {
  const { jobOutpoint, sha256, length } = upload
  const query = new URLSearchParams({
    jobOutpoint: `${jobOutpoint.txid}.${jobOutpoint.vout}`,
    sha256,
    length: String(length),
    agentKey: agent.identityKey,
    signature: toHex(signUpload(agent.privateKey, upload)),
    ...forged,
  })
  return `/uhrp/uploads?${query}`
}
