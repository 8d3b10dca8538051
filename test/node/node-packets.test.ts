import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openEventLog } from '../../src/adapters/log/event-log.ts'
import { type ContentStore, openContentStore } from '../../src/adapters/uhrp/content-store.ts'
import { openAccept } from '../../src/ingest/accept.ts'
import { type NodePackets, openNodePackets } from '../../src/node/node-packets.ts'
import { startNodeSealing } from '../../src/node/node-sealing.ts'
import { openMetrics } from '../../src/runtime/metrics.ts'
import { openStops } from '../../src/runtime/stops.ts'
import { arrivedWith, LOG_KEY, type LogBed, openLogBed, sampleSource } from '../support/log-bed.ts'
import { silentLog } from '../support/silent-log.ts'
import { until } from '../support/until.ts'

let bed: LogBed
let directory: string
let store: ContentStore
const stops = () => openStops(silentLog)
beforeEach(async () => {
  bed = await openLogBed()
  directory = await mkdtemp(path.join(os.tmpdir(), 'assay-packets-'))
  store = await openContentStore({
    pool: bed.database.pool,
    directory,
    bounds: { objectBytesMax: 64 * 1024 * 1024, freeBytesMin: 0 },
    now: Date.now,
    onTrouble: () => undefined,
  })
})
afterEach(async () => {
  await bed.end()
  await rm(directory, { recursive: true, force: true })
})

const settings = {
  EVENT_BUFFER_MS: 20,
  PUBLISH_MODE: 'live',
  PACKET_BATCH_MS: 100,
  EVENT_LINES_KEEP_S: undefined,
} as const

/** The part of a node that seals, with an append that works as the node's does. */
async function openNode(opened = stops()) {
  const metrics = openMetrics()
  const packets: NodePackets = await openNodePackets(settings, {
    ...{ database: bed.database, store, log: silentLog, stops: opened, now: Date.now },
  })
  const sealing = await startNodeSealing(settings, {
    ...{ database: bed.database, store, log: silentLog, metrics, stops: opened, now: Date.now },
    registry: { stream: async streamId => bed.streams.get(streamId) },
  })
  const log = openEventLog({
    ...{ pool: bed.database.pool, logKey: LOG_KEY, network: 'local', now: Date.now },
    begin: packets.begin,
    onAppended: sealing.wake,
  })
  opened.add('log', () => log.stop())
  const accept = openAccept({
    findStream: async streamId => bed.streams.get(streamId),
    forgetStreams: () => undefined,
    append: log.append,
    randomKey: () => new Uint8Array(16),
  })
  const send = (streamId: string, values: readonly number[]) =>
    accept(
      arrivedWith(
        values.map(value => ({ eventType: 'reading', timestamp: 1_000 + value, data: { value } })),
        {
          streamId,
          receivedMs: Date.now(),
          source: { ...sampleSource, streams: [streamId] },
        },
      ),
    )
  return { packets, metrics, send, stop: opened.run }
}

const rows = async () => {
  const read = await bed.database.pool.query<{ stream: string; hash: string; count: number }>(
    `select stream_id as stream, encode(raw_hash, 'hex') as hash, count from packets
      join partitions on id = partition_id order by partition_id, packet_no`,
  )
  return read.rows
}

describe('a node that takes events in', () => {
  test('has them in packets, whose bytes are stored for those who may read the stream, and advertised to nobody', async () => {
    const blindKey = new Uint8Array(32).fill(7)
    await bed.putStream({ streamId: 'secret', audience: 'restricted', blindKey, readers: [LOG_KEY] })
    const node = await openNode()
    await node.send('readings', [1, 2, 3])
    await node.send('secret', [1, 2, 3])
    const made = await until(async () => {
      const all = await rows()
      return all.reduce((sum, { count }) => sum + count, 0) === 6 && all
    })
    for (const { stream, hash } of made) {
      const opened = await store.open(hash, 'anybody')
      expect(opened.kind).toBe(stream === 'secret' ? 'none' : 'open')
      if (opened.kind === 'open') await opened.object.file.close()
      const asReader = await store.open(hash, { identityKey: LOG_KEY })
      expect(asReader.kind).toBe('open')
      if (asReader.kind === 'open') await asReader.object.file.close()
    }
    await bed.database.pool.query(`update streams set tenant_id = 'acme' where stream_id = 'readings'`)
    for (const { hash } of made) expect((await store.open(hash, 'anybody')).kind).toBe('none')
    const { rows: adverts } = await bed.database.pool.query('select from uhrp_own_adverts')
    expect(adverts).toEqual([])

    const complaints = []
    for await (const each of node.packets.recheck()) complaints.push(each)
    expect(complaints).toEqual([])
    // Counted right after the row is written, which we have seen already.
    const shown = await until(async () => {
      const text = await node.metrics.registry.metrics()
      return /^ingest_lag_ms_count 6$/m.test(text) && text
    })
    expect(shown).toMatch(/^assay_packets_total\{because="time"\} \d/m)
    expect(shown).toMatch(/^watermark_event_time_ms\{stream="readings",partition="0"\} \d+/m)
    await node.stop()
  })

  test('leaves to the next one, when it stops, what it has not sealed', async () => {
    const first = await openNode()
    await first.send('readings', [1, 2, 3])
    await first.stop()
    const { rows: heads } = await bed.database.pool.query('select sealer from partition_heads')
    expect(heads).toEqual([{ sealer: null }])
    const second = await openNode()
    await until(async () => (await rows()).reduce((sum, { count }) => sum + count, 0) === 3)
    await second.stop()
  })

  test('keeps exactly the bytes that the header names', async () => {
    const node = await openNode()
    await node.send('readings', [1, 2, 3])
    const [packet] = await until(async () => {
      const all = await rows()
      return all.length > 0 && all
    })
    const hash = packet?.hash ?? ''
    const files = await readdir(directory, { recursive: true })
    const file = files.find(each => each.endsWith(hash))
    const bytes = await readFile(path.join(directory, file ?? ''))
    expect(await node.packets.readPayload(hash)).toEqual(bytes)
    expect(bytes.toString().split('\n')).toHaveLength((packet?.count ?? 0) + 1)
    await node.stop()
  })
})
