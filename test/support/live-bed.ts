import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { Registry } from 'prom-client'
import { type Database, openDatabase } from '../../src/adapters/postgres/database.ts'
import { openSealedPositions } from '../../src/adapters/reading/live/sealed-positions.ts'
import { openContentStore } from '../../src/adapters/uhrp/content-store.ts'
import { nodeHolder } from '../../src/adapters/uhrp/holder.ts'
import type { Json } from '../../src/core/canonical-json.ts'
import { orThrow } from '../../src/core/fault.ts'
import type { EventState } from '../../src/core/jobs/lifecycle.ts'
import type { PacketHeader } from '../../src/core/log/packet-header.ts'
import { normalizePacket } from '../../src/core/work/normalize-packet.ts'
import { validatePacket } from '../../src/core/work/validate-packet.ts'
import { nodeApp } from '../../src/http/app.ts'
import { type HttpLimits, httpLimits, listen } from '../../src/http/server.ts'
import type { Arrived } from '../../src/ingest/arrived.ts'
import { type NodeLive, openNodeLive } from '../../src/node/node-live.ts'
import { openNodeSubscriptions } from '../../src/node/node-subscriptions.ts'
import { openLog } from '../../src/runtime/log.ts'
import { openMetrics } from '../../src/runtime/metrics.ts'
import { readSettings } from '../../src/runtime/settings.ts'
import { openStops } from '../../src/runtime/stops.ts'
import type { HubBounds } from '../../src/serve/live/ports.ts'
import { party } from './pipeline.ts'

export { policyOf } from './log-bed.ts'

import { LOG_KEY } from './log-bed.ts'

import { openSealingBed, type SealingBed } from './sealing-bed.ts'
import { silentLog } from './silent-log.ts'
import { testOnlyAuthentication } from './test-only-authentication.ts'

/** A log with packets, and any number of processes on its database at which it can be followed. */
export type LiveBed = SealingBed & {
  readonly failures: unknown[]
  /** Where what was certified is, for other processes. */
  readonly directory: string
  serve(options?: ServeOptions): Promise<ServedLive>
  /** Sends items of a source, and tells the processes that serve. */
  append(items: readonly Json[], how?: Partial<Arrived>): Promise<string[]>
  /** Ends the packets that are open, and makes them. */
  seal(): Promise<PacketHeader[]>
  /** Puts these bytes where certified outputs are; their hash. */
  keepOutput(bytes: Uint8Array): Promise<string>
  /** As agents and their coordinator leave it: states, with what was certified on disk. */
  reach(packetNo: number, state: EventState, partitionId?: number): Promise<void>
}

/** What all processes of a test seal positions with. */
const masterKey = new Uint8Array(32).fill(1)
export const livePositions = openSealedPositions(masterKey)

export type ServeOptions = {
  readonly env?: Readonly<Record<string, string>>
  readonly bounds?: Partial<HubBounds>
  readonly http?: Partial<HttpLimits>
  readonly pollMs?: number
  /** A free one without it. */
  readonly port?: number
  /** Not told by this test's appends, as another process's would not be. */
  readonly isElsewhere?: boolean
  /** With what identities store of what they want to be told; deliveries go by this clock. */
  readonly subscriptions?: { now(): number }
}

export type ServedLive = {
  readonly port: number
  readonly live: NodeLive
  readonly registry: Registry
  /** As a node that is told to stop. */
  stop(): Promise<void>
}

export async function openLiveBed(): Promise<LiveBed> {
  const bed = await openSealingBed()
  const directory = await mkdtemp(path.join(os.tmpdir(), 'assay-live-'))
  const served = new Set<ServedLive>()
  const told = new Set<NodeLive>()
  const failures: unknown[] = []
  const { pool } = bed.database
  const storeOn = (database: Database) =>
    openContentStore({
      pool: database.pool,
      directory,
      bounds: { objectBytesMax: 64 * 1024 * 1024, freeBytesMin: 0 },
      now: Date.now,
      onTrouble: (sha256, trouble) => void failures.push(`${trouble} ${sha256}`),
    })
  const store = await storeOn(bed.database)
  const keep = async (bytes: Uint8Array, what: string) =>
    orThrow(
      await store.put(bytes, {
        holder: nodeHolder(what),
        audience: 'public',
        readers: [],
        advertise: false,
        retainUntilMs: 253_402_214_400_000,
      }),
    ).sha256

  const serve: LiveBed['serve'] = async (options = {}) => {
    const { env = {}, bounds = {}, http: limits = {}, port = 0, isElsewhere = false } = options
    const { pollMs, subscriptions } = options
    const database = await openDatabase({ url: bed.url, log: silentLog, applicationName: 'live' })
    const settings = readSettings({ EVENT_STREAM_CLIENTS_PER_ADDRESS: '10000', ...env })
    const stops = openStops(silentLog)
    stops.add('database', database.close)
    const metrics = openMetrics()
    const onFailure = (error: unknown) => void failures.push(error)
    const live = openNodeLive(settings, {
      ...{ database, metrics, stops, bounds, now: Date.now, ...(pollMs !== undefined && { pollMs }) },
      store: await storeOn(database),
      masterKey,
      log: silentLog,
    })
    const frame = { authentication: testOnlyAuthentication(), onFailure }
    const stored =
      subscriptions &&
      openNodeSubscriptions(settings, {
        ...{ database, live, metrics, stops, masterKey, now: subscriptions.now },
        logKey: LOG_KEY,
        log: loggedTo(failures),
      })
    const app = nodeApp({
      routes: [
        ...live.routes({ ...frame, ...(stored && { views: stored.views }) }),
        ...(stored?.routes(frame) ?? []),
      ],
      metrics: new Registry(),
      network: 'local',
      onFailure,
    })
    const http = await listen(app, port, '127.0.0.1', { ...httpLimits, drainMsMax: 2_000, ...limits })
    live.upgrade(http.server)
    if (!isElsewhere) told.add(live)
    const process: ServedLive = {
      port: http.port,
      live,
      registry: metrics.registry,
      async stop() {
        if (!served.delete(process)) return
        told.delete(live)
        live.letGo()
        await http.stop()
        await stops.run()
      },
    }
    served.add(process)
    return process
  }

  const log = bed.sealing()
  return {
    ...bed,
    ...{ failures, directory },
    serve,
    async append(items, how) {
      const answers = await bed.send(items, { receivedMs: Date.now(), ...how })
      const { rows } = await pool.query<{ partitionId: number }>('select id as "partitionId" from partitions')
      for (const live of told) live.onAppended(rows)
      return answers.map(answer => {
        if (answer.status !== 'accepted' && answer.status !== 'revision')
          throw new Error(JSON.stringify(answer))
        return answer.eventId
      })
    },
    async seal() {
      const { rows } = await pool.query<{ id: number }>(
        'select partition_id as id from partition_heads where next_seq > sealed_seq order by 1',
      )
      for (const { id } of rows) {
        const lease = await bed.lease(log, id)
        await bed.mark(log, lease)
        while ((await bed.make(log, lease)) === 'more');
      }
      return bed.headers()
    },
    keepOutput: bytes => keep(bytes, 'certified'),
    async reach(packetNo, state, partitionId = 1) {
      const { rows } = await pool.query<{ header: string }>(
        'select header from packets where partition_id = $1 and packet_no = $2',
        [partitionId, packetNo],
      )
      const header: PacketHeader = JSON.parse(rows[0]?.header ?? 'null')
      const stream = bed.streams.get(header.streamId)
      if (stream === undefined) throw new Error(`there is no stream ${header.streamId}`)
      const bytes = bed.payloads.get(header.rawHash) ?? new Uint8Array()
      const isCertified = state === 'certified' || state === 'anchored' || state === 'proven'
      const normalized = orThrow(normalizePacket(header, bytes, stream.policy))
      const output = orThrow(
        validatePacket(header, normalized.bytes, stream.policy, { parent: null, state: null }),
      )
      const contentHash = isCertified ? await keep(output.bytes, 'certified') : null
      const version = isCertified ? header.root : null
      await pool.query(
        `insert into packet_states as known (partition_id, packet_no, state, ingested_at, content_hash, version_id,
            certification_evidence, processing_agents, processed_at, certified_at, changed_at)
          values ($1, $2, $3, now(), decode($4, 'hex'), decode($5, 'hex'), $6, $7, case when $9 then now() end,
            case when $8 then now() end, now())
          on conflict (partition_id, packet_no) do update set state = excluded.state,
            content_hash = coalesce(excluded.content_hash, known.content_hash),
            version_id = coalesce(excluded.version_id, known.version_id),
            certification_evidence = coalesce(excluded.certification_evidence, known.certification_evidence),
            processed_at = coalesce(known.processed_at, excluded.processed_at),
            certified_at = coalesce(known.certified_at, excluded.certified_at), changed_at = now()`,
        [
          ...[partitionId, packetNo, state, contentHash, version],
          isCertified ? { agreeing: 2, of: 3, wanted: 2, operators: [party('north').identityKey] } : null,
          [party('an agent').identityKey],
          isCertified,
          isCertified || state === 'validated',
        ],
      )
    },
    async end() {
      for (const each of [...served]) await each.stop()
      await bed.end()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** What is logged as something to worry about is a failure of the test. */
function loggedTo(failures: unknown[]) {
  return openLog('warn', { write: line => void failures.push(line) })
}
