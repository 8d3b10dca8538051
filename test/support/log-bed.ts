import { randomBytes } from 'node:crypto'
import { type EventLog, type EventLogLimits, openEventLog } from '../../src/adapters/log/event-log.ts'
import { beginAs } from '../../src/adapters/log/log-role.ts'
import { type Database, openDatabase } from '../../src/adapters/postgres/database.ts'
import { bytea } from '../../src/adapters/postgres/sql.ts'
import type { Json } from '../../src/core/canonical-json.ts'
import { canonicalJson } from '../../src/core/canonical-json.ts'
import { readSubmission } from '../../src/core/event/adapters/recognize.ts'
import { orThrow } from '../../src/core/fault.ts'
import { policyDigest } from '../../src/core/policy/policy-set.ts'
import { readPolicySet } from '../../src/core/policy/read-policy-set.ts'
import { type Source, timePolicyDefault } from '../../src/core/registry/source.ts'
import type { Stream } from '../../src/core/registry/stream.ts'
import { openAccept } from '../../src/ingest/accept.ts'
import type { Accept, Arrived, ItemAnswer, PushBack } from '../../src/ingest/arrived.ts'
import { temporaryDatabase } from './database.ts'
import { silentLog } from './silent-log.ts'

/** A log of events on a database of its own, with one source and one stream, whose clock a test sets. */
export type LogBed = {
  readonly database: Database
  readonly url: string
  readonly log: EventLog
  readonly accept: Accept
  readonly clock: { ms: number }
  readonly source: Source
  /** As of now. */
  readonly streams: Map<string, Stream>
  putStream(changes: Partial<Stream> & { readonly streamId: string }): Promise<Stream>
  /** Sends items as one request of the source. */
  send(items: readonly Json[], how?: Partial<Arrived>): Promise<readonly ItemAnswer[]>
  end(): Promise<void>
}

export const LOG_KEY = `02${'11'.repeat(32)}`
/** Of the node, for streams that name none. */
export const NODE_OPERATOR = `02${'22'.repeat(32)}`

export async function openLogBed(limits: Partial<EventLogLimits> = {}): Promise<LogBed> {
  const temporary = await temporaryDatabase()
  const database = await openDatabase({ url: temporary.url, log: silentLog, applicationName: 'log-bed' })
  const { pool } = database
  const clock = { ms: 1_800_000_000_000 }
  const streams = new Map<string, Stream>()
  const log = openEventLog({
    pool,
    logKey: LOG_KEY,
    network: 'local',
    now: () => clock.ms,
    operators: [NODE_OPERATOR],
    limits,
    begin: beginAs('assay_log'),
  })
  const accept = openAccept({
    findStream: async streamId => streams.get(streamId),
    forgetStreams: () => undefined,
    append: log.append,
    randomKey: () => new Uint8Array(randomBytes(16)),
  })
  const putStream: LogBed['putStream'] = async changes => {
    const stream = { ...sampleStream, ...streams.get(changes.streamId), ...changes }
    streams.set(stream.streamId, stream)
    await pool.query(
      'insert into policy_sets (digest, policy, created_ms) values ($1, $2, $3) on conflict do nothing',
      [bytea(stream.policyDigest), canonicalJson(stream.policy), clock.ms],
    )
    await pool.query(
      `insert into streams (stream_id, audience, level, shards_by, shards_count, domain, policy_digest, policy_no,
          lateness_ms, blind_key, created_ms, updated_ms, readers)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12)
        on conflict (stream_id) do update set policy_digest = excluded.policy_digest, policy_no = excluded.policy_no,
          shards_count = excluded.shards_count, shards_by = excluded.shards_by`,
      [
        stream.streamId,
        stream.audience,
        stream.level,
        stream.shards.by,
        stream.shards.count,
        stream.domain,
        bytea(stream.policyDigest),
        stream.policyNo,
        stream.latenessMs,
        stream.blindKey === undefined ? null : Buffer.from(stream.blindKey),
        clock.ms,
        [...stream.readers],
      ],
    )
    return stream
  }
  await putStream({ streamId: 'readings' })
  return {
    database,
    url: temporary.url,
    log,
    accept,
    clock,
    source: sampleSource,
    streams,
    putStream,
    async send(items, how = {}) {
      const outcome = await accept(arrivedWith(items, { receivedMs: clock.ms, ...how }))
      if (outcome.kind !== 'answered') throw new Error(`refused: ${JSON.stringify(outcome.refusal)}`)
      return outcome.items
    },
    async end() {
      await log.stop()
      await database.close()
      await temporary.drop()
    },
  }
}

export function arrivedWith(
  items: readonly Json[],
  how: Partial<Arrived> & { readonly receivedMs: number },
): Arrived {
  return {
    source: sampleSource,
    authenticated: 'none',
    connector: { connectorId: 'http', connectorVersion: '1' },
    bytes: items.reduce<number>((sum, item) => sum + JSON.stringify(item).length, 0),
    items: items.map(item => ({ submission: readSubmission(item), flags: 0 })),
    ...how,
  }
}

export const sampleSource: Source = {
  sourceId: 'sensor-1',
  name: 'Sensor 1',
  type: 'webhook',
  enabled: true,
  authentication: 'none',
  allowlist: [],
  streams: ['readings'],
  unknownStream: 'refuse',
  sourceVersion: '1',
  eventType: 'reading',
  payloadType: 'GENERIC_JSON_V1',
  dataVersion: '1',
  time: timePolicyDefault,
  limits: {},
  overlayTopics: [],
  trustWeight: 1,
  trustScore: 50,
}

export function policyOf(json: Json): Pick<Stream, 'policy' | 'policyDigest'> {
  const policy = orThrow(readPolicySet(json))
  return { policy, policyDigest: policyDigest(policy) }
}

const samplePolicy = policyOf({ v: 1, constants: ['schemaVersion', 'streamId', 'domain'] })

export const sampleStream: Stream = {
  streamId: 'readings',
  audience: 'public',
  level: 'basic',
  shards: { by: 'event-id', count: 1 },
  domain: 'generic',
  ...samplePolicy,
  policyNo: 1,
  operators: [],
  topics: [],
  openTags: [],
  latenessMs: 2_000,
  published: true,
  limits: {},
  readers: [],
}

/** For what pressure is no matter of. */
export const neverFull: PushBack = { why: () => undefined, count: () => undefined }
