import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { openContentStore } from '../../src/adapters/uhrp/content-store.ts'
import { openNodePackets } from '../../src/node/node-packets.ts'
import { startNodeSealing } from '../../src/node/node-sealing.ts'
import { openMetrics } from '../../src/runtime/metrics.ts'
import { openStops } from '../../src/runtime/stops.ts'
import { openLogBed, sampleStream } from '../support/log-bed.ts'
import { silentLog } from '../support/silent-log.ts'
import { until } from '../support/until.ts'

/** A few in every run; ASSAY_KILLS=50 npx vitest run test/node/packets-kill.test.ts for more. */
const kills = Number(process.env['ASSAY_KILLS'] ?? 3)
const SECONDS_PER_KILL = 30

test('two nodes that take events in and are killed at any moment lose none, and every one ends in one packet', {
  timeout: 60_000 + 1_000 * SECONDS_PER_KILL * kills,
}, async () => {
  const bed = await openLogBed()
  const directory = await mkdtemp(path.join(os.tmpdir(), 'assay-packets-'))
  const promised = new Set<string>()
  const start = () => appender(bed.url, directory, id => promised.add(id))
  let [one, other] = [start(), start()]
  for (let n = 0; n < kills; n++) {
    await one.heard()
    await pause((97 * n) % 400)
    await one.kill()
    ;[one, other] = [other, start()]
  }
  await other.heard()
  await one.kill()
  await other.kill()

  // Whoever comes next finishes what they began, once their leases are over.
  const { pool } = bed.database
  const stops = openStops(silentLog)
  const store = await openContentStore({
    ...{ pool, directory, now: Date.now, onTrouble: () => undefined },
    bounds: { objectBytesMax: 64 * 1024 * 1024, freeBytesMin: 0 },
  })
  const parts = { database: bed.database, store, log: silentLog, stops, now: Date.now }
  const packets = await openNodePackets({ EVENT_LINES_KEEP_S: undefined }, parts)
  await startNodeSealing(
    { EVENT_BUFFER_MS: 50, PUBLISH_MODE: 'live', PACKET_BATCH_MS: 100 },
    { ...parts, metrics: openMetrics(), registry: { stream: async () => sampleStream } },
  )
  await until(async () => {
    const { rows } = await pool.query<{ open: boolean }>(
      `select next_seq > coalesce((select max(first_seq + count) from packets), 0) as open from partition_heads`,
    )
    return rows[0]?.open === false
  })
  await stops.run()

  const complaints = []
  for await (const each of packets.recheck()) complaints.push(each)
  expect(complaints).toEqual([])

  const found: string[] = []
  const { rows } = await pool.query<{ hash: string }>(
    `select encode(raw_hash, 'hex') as hash from packets where count > 0 order by packet_no`,
  )
  for (const { hash } of rows) {
    const bytes = await packets.readPayload(hash)
    const lines = Buffer.from(bytes ?? [])
      .toString()
      .split('\n')
      .slice(0, -1)
    found.push(...lines.map(line => /"eventId":"([0-9a-f]{64})"/.exec(line)?.[1] ?? line))
  }
  const kept = new Set(found)
  expect(kept.size).toBe(found.length)
  expect([...promised].filter(id => !kept.has(id))).toEqual([])
  expect(promised.size).toBeGreaterThan(kills)
  await bed.end()
  await rm(directory, { recursive: true, force: true })
})

function appender(url: string, directory: string, hear: (id: string) => void) {
  const program = path.join(import.meta.dirname, 'packets-process.ts')
  const child = spawn(process.execPath, ['--conditions=source', '--import', 'tsx', program, url, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let ids = 0
  createInterface({ input: child.stdout }).on('line', line => {
    // The last line may be cut off, and then nothing was promised.
    if (!/^[0-9a-f]{64}$/.test(line)) return
    ids += 1
    hear(line)
  })
  return {
    heard: () => until(() => ids > 0),
    async kill() {
      const gone = once(child, 'close')
      child.kill('SIGKILL')
      await gone
    },
  }
}
