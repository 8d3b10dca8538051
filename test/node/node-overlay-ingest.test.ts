import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openOutgoing } from '../../src/adapters/outgoing/outgoing.ts'
import { eventBatchToken } from '../../src/contract/event-batch.ts'
import { signTransaction } from '../../src/contract/spend.ts'
import { orThrow } from '../../src/core/fault.ts'
import { openNodeIngest } from '../../src/node/node-ingest.ts'
import { openNodeStorage } from '../../src/node/node-storage.ts'
import { openMetrics } from '../../src/runtime/metrics.ts'
import { readSettings } from '../../src/runtime/settings.ts'
import { openStops, type Stops } from '../../src/runtime/stops.ts'
import { LOG_KEY } from '../support/log-bed.ts'
import { type OverlayBed, overlayBed } from '../support/overlay-bed.ts'
import { party } from '../support/pipeline.ts'
import { silentLog } from '../support/silent-log.ts'
import { until } from '../support/until.ts'

const publisher = party('a publisher of batches')
const stranger = party('a stranger with batches')

let bed: OverlayBed
let folder: string
let opened: Stops[]
beforeEach(async () => {
  bed = await overlayBed()
  folder = await mkdtemp(path.join(os.tmpdir(), 'assay-overlay-ingest-'))
  opened = []
})
afterEach(async () => {
  for (const stops of opened) await stops.run()
  await bed.close()
  await rm(folder, { recursive: true })
})

/** The part of a node that takes events in, under these settings. */
async function openNode(env: Record<string, string> = {}) {
  const roof = { id: 'roof', type: 'overlay', identityKey: publisher.identityKey, shape: 'overlay' }
  const settings = readSettings({
    ASSAY_MASTER_KEY: '11'.repeat(32),
    ASSAY_DATA_DIR: folder,
    INGEST_SOURCES_JSON: JSON.stringify([roof]),
    ...env,
  })
  const stops = openStops(silentLog)
  opened.push(stops)
  const { database } = bed
  const metrics = openMetrics()
  const { store } = await openNodeStorage(settings, database, { log: silentLog, metrics, stops })
  await openNodeIngest(settings, {
    ...{ database, store, log: silentLog, metrics, stops },
    logKey: LOG_KEY,
    outgoing: openOutgoing({ network: 'local' }),
  })
  return stops
}

async function submit(numbers: readonly number[], issuer = publisher): Promise<void> {
  const ndjson = numbers.map(n => `{"eventType":"reading","data":{"n":${n}}}\n`).join('')
  const batch = eventBatchToken({ issuer, streamId: 'roof', sourceId: 'roof', ndjson, as: 'inline' })
  const { script } = orThrow(batch)
  const transaction = signTransaction(await bed.fund(issuer, 1), [{ satoshis: 1, script }])
  orThrow(await bed.overlay.submit(bed.submissionOf(transaction)))
}

async function batches() {
  const { rows } = await bed.database.pool.query<{ state: string; turn: number; trouble: string | null }>(
    'select state, turn, trouble from overlay_batches order by admitted_ms',
  )
  return rows
}

async function firstEvent(): Promise<{ ingestTimeMs: number }> {
  return until(async () => {
    const { rows } = await bed.database.pool.query<{ lines: Buffer }>(
      'select lines from segments where count > 0',
    )
    const [line] = rows[0]?.lines.toString().split('\n') ?? []
    return line !== undefined && JSON.parse(line)
  })
}

describe('a node that takes batches of the overlay', () => {
  test.each([-7, 7])('stamps their events by its own clock, %s days off', async days => {
    const offsetMs = days * 86_400_000
    const before = Date.now()
    await openNode({ ASSAY_CLOCK_OFFSET_MS: String(offsetMs) })
    await submit([1])
    const { ingestTimeMs } = await firstEvent()
    expect(ingestTimeMs).toBeGreaterThanOrEqual(before + offsetMs)
    expect(ingestTimeMs).toBeLessThanOrEqual(Date.now() + offsetMs)
  })

  test('begins none while its disk has too little room', async () => {
    await submit([1])
    // It looks at once.
    const full = await openNode({ INGEST_FREE_BYTES_MIN: '999999999999999' })
    await full.run()
    expect(await batches()).toEqual([{ state: 'waiting', turn: 0, trouble: null }])
    await openNode()
    await until(async () => (await batches())[0]?.state === 'taken')
  })

  test('holds of strangers as many as a publisher may send', async () => {
    await openNode({ PUBLISHER_LIMITS_JSON: '{"eventsPerDay":1}' })
    await submit([1], stranger)
    await until(async () => (await batches())[0]?.state === 'held')
    await submit([2], stranger)
    const [, second] = await until(async () => {
      const found = await batches()
      return found[1] !== undefined && found[1].trouble !== null && found
    })
    expect(second).toMatchObject({ state: 'waiting', trouble: expect.stringContaining('1 events per day') })
  })
})
