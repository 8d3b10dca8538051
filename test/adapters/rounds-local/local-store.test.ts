import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openEventLog } from '../../../src/adapters/log/event-log.ts'
import { type LocalStoreDeps, openLocalStore } from '../../../src/adapters/rounds-local/local-store.ts'
import { type ContentStore, openContentStore } from '../../../src/adapters/uhrp/content-store.ts'
import { sha256Hex } from '../../../src/core/sha256.node.ts'
import { openAccept } from '../../../src/ingest/accept.ts'
import { processLocally } from '../../../src/jobs/local/process-locally.ts'
import { openNodePackets } from '../../../src/node/node-packets.ts'
import { startNodeSealing } from '../../../src/node/node-sealing.ts'
import { openMetrics } from '../../../src/runtime/metrics.ts'
import { openStops, type Stops } from '../../../src/runtime/stops.ts'
import {
  arrivedWith,
  LOG_KEY,
  type LogBed,
  openLogBed,
  policyOf,
  sampleSource,
} from '../../support/log-bed.ts'
import { silentLog } from '../../support/silent-log.ts'
import { until } from '../../support/until.ts'

let bed: LogBed
let directory: string
let content: ContentStore
let stops: Stops
beforeEach(async () => {
  stops = openStops(silentLog)
  bed = await openLogBed()
  directory = await mkdtemp(path.join(os.tmpdir(), 'assay-local-'))
  content = await openContentStore({
    pool: bed.database.pool,
    directory,
    bounds: { objectBytesMax: 64 * 1024 * 1024, freeBytesMin: 0 },
    now: Date.now,
    onTrouble: () => undefined,
  })
})
afterEach(async () => {
  await stops.run()
  await bed.end()
  await rm(directory, { recursive: true, force: true })
})

/** Each call of `send` ends in a packet of its own. */
async function sealedNode() {
  const { pool } = bed.database
  const parts = { database: bed.database, store: content, log: silentLog, stops, now: Date.now }
  const packets = await openNodePackets({ EVENT_LINES_KEEP_S: undefined }, parts)
  const sealing = await startNodeSealing(
    { EVENT_BUFFER_MS: 5, PUBLISH_MODE: 'live', PACKET_BATCH_MS: 100 },
    {
      ...parts,
      metrics: openMetrics(),
      registry: { stream: async streamId => bed.streams.get(streamId) },
    },
  )
  const log = openEventLog({
    ...{ pool, logKey: LOG_KEY, network: 'local', now: Date.now },
    begin: packets.begin,
    onAppended: sealing.wake,
  })
  stops.add('log', () => log.stop())
  const accept = openAccept({
    findStream: async streamId => bed.streams.get(streamId),
    forgetStreams: () => undefined,
    append: log.append,
    randomKey: () => new Uint8Array(16),
  })
  let sent = 0
  const count = async () => (await pool.query('select from packets')).rowCount ?? 0
  return {
    readPayload: packets.readPayload,
    async send(streamId: string, value: number) {
      const before = await count()
      const item = { eventType: 'reading', timestamp: 1_000 + sent++, data: { sensor: 'a', value } }
      const source = { ...sampleSource, streams: [streamId] as const }
      await accept(arrivedWith([item], { streamId, receivedMs: Date.now(), source }))
      await until(async () => (await count()) > before)
    },
  }
}

const failures: unknown[] = []
const storeOf = (
  readPayload: (rawHash: string) => Promise<Uint8Array | undefined>,
  more: Partial<LocalStoreDeps> = {},
) =>
  openLocalStore({
    ...{ pool: bed.database.pool, content, readPayload, now: Date.now },
    onFailure: error => void failures.push(error),
    ...more,
  })
const process = (store: ReturnType<typeof storeOf>) =>
  processLocally({ store, rest: async () => undefined, at: () => undefined, isWanted: () => true })

async function shown() {
  const { rows } = await bed.database.pool.query<{ state: string; orchestration: string; no: number }>(
    `select state, orchestration, packet_no::int as no from packet_states order by partition_id, packet_no`,
  )
  return rows
}

/** Of the state that was kept after a packet: its hash. */
async function stateAfter(packetNo: number) {
  const { rows } = await bed.database.pool.query<{ sha256: string }>(
    `select encode(sha256, 'hex') as sha256 from uhrp_retentions where holder like 'node local state of %packet ' || $1`,
    [packetNo],
  )
  return rows[0]?.sha256
}

/** Whoever reports less than before is set aside, which takes carried state to know. */
const stateful = policyOf({
  v: 1,
  license: 'CC-BY-4.0',
  classification: 'public',
  sources: { '*': { constraints: { monotonicFields: ['value'] } } },
})

describe('packets that no agent is asked about', () => {
  test('are validated in their order, by this node alone, and are nowhere called certified', async () => {
    const node = await sealedNode()
    for (const value of [1, 2, 3]) await node.send('readings', value)
    const store = storeOf(node.readPayload)
    expect(await process(store)).toBe('worked')
    expect(await process(store)).toBe('none')
    expect(await shown()).toEqual([0, 1, 2].map(no => ({ state: 'validated', orchestration: 'local', no })))
    const { rows } = await bed.database.pool.query<Record<string, unknown>>(
      `select packet.version_id, packet.content_hash, packet.certified_at, packet.certification_evidence
        from packet_states as packet`,
    )
    expect(new Set(rows.flatMap(row => Object.values(row)))).toEqual(new Set([null]))
    await expect(bed.database.pool.query(`update packet_states set state = 'certified'`)).rejects.toThrow(
      'packet_states_local_bound',
    )
  })

  test('go on from the state of the one before, also in another process and one packet at a time', async () => {
    await bed.putStream({ streamId: 'counted', ...stateful })
    const node = await sealedNode()
    for (const value of [5, 7, 6]) await node.send('counted', value)
    for (const _ of [1, 2, 3]) await process(storeOf(node.readPayload, { packetsMax: 1 }))
    const apart = await Promise.all([0, 1, 2].map(stateAfter))
    expect(new Set(apart).size).toBe(3)
    expect(apart[0]).not.toBe(sha256Hex(''))
    await bed.database.pool.query('truncate packet_states')
    await bed.database.pool.query(`delete from uhrp_retentions where holder like 'node local%'`)
    await process(storeOf(node.readPayload))
    expect(await stateAfter(2)).toBe(apart[2])
  })

  test('are each processed by one of several processes', async () => {
    const node = await sealedNode()
    for (const value of [1, 2, 3]) await node.send('readings', value)
    const read: string[] = []
    const counting = async (rawHash: string) => {
      read.push(rawHash)
      return node.readPayload(rawHash)
    }
    await Promise.all(Array.from({ length: 4 }, () => process(storeOf(counting))))
    expect(read).toHaveLength(3)
    expect(await shown()).toHaveLength(3)
  })

  test('keep what a quorum has said, and go on behind it', async () => {
    const node = await sealedNode()
    for (const value of [1, 2]) await node.send('readings', value)
    const { pool } = bed.database
    await pool.query(
      `insert into packet_states (partition_id, packet_no, state, ingested_at, changed_at)
        select partition_id, packet_no, 'certified', now(), now() from packets where packet_no = 0`,
    )
    await process(storeOf(node.readPayload))
    expect(await shown()).toEqual([
      { state: 'certified', orchestration: 'quorum', no: 0 },
      { state: 'validated', orchestration: 'local', no: 1 },
    ])
  })

  test('of other partitions do not wait for one whose lines are gone', async () => {
    await bed.putStream({ streamId: 'lost' })
    const node = await sealedNode()
    await node.send('lost', 1)
    await node.send('readings', 1)
    const { rows } = await bed.database.pool.query<{ hash: string }>(
      `select encode(raw_hash, 'hex') as hash from packets join partitions on id = partition_id where stream_id = 'lost'`,
    )
    const store = storeOf(async rawHash =>
      rawHash === rows[0]?.hash ? undefined : node.readPayload(rawHash),
    )
    failures.length = 0
    expect(await process(store)).toBe('worked')
    expect(await shown()).toHaveLength(1)
    expect(String(failures[0])).toContain('restore')
    expect(await process(store)).toBe('none')
  })

  test('of other partitions have their turn, however many cannot be read', async () => {
    await bed.putStream({ streamId: 'lost' })
    const node = await sealedNode()
    await node.send('lost', 1)
    await node.send('readings', 1)
    const { rows } = await bed.database.pool.query<{ hash: string }>(
      `select encode(raw_hash, 'hex') as hash from packets join partitions on id = partition_id where stream_id = 'lost'`,
    )
    const store = storeOf(
      async rawHash => (rawHash === rows[0]?.hash ? undefined : node.readPayload(rawHash)),
      { partitionsMax: 1 },
    )
    expect(await process(store)).toBe('none')
    expect(await process(store)).toBe('worked')
    expect(await shown()).toHaveLength(1)
  })
})
