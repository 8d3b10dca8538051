import { randomBytes } from 'node:crypto'
import { openEventLog } from '../../src/adapters/log/event-log.ts'
import { openDatabase } from '../../src/adapters/postgres/database.ts'
import { openContentStore } from '../../src/adapters/uhrp/content-store.ts'
import { openAccept } from '../../src/ingest/accept.ts'
import { openNodePackets } from '../../src/node/node-packets.ts'
import { startNodeSealing } from '../../src/node/node-sealing.ts'
import { openMetrics } from '../../src/runtime/metrics.ts'
import { openStops } from '../../src/runtime/stops.ts'
import { arrivedWith, LOG_KEY, sampleSource, sampleStream } from '../support/log-bed.ts'
import { silentLog } from '../support/silent-log.ts'

/** Takes events in and seals them until it is killed. Prints the id of each event that it has promised to keep. */
const [url = '', directory = ''] = process.argv.slice(2)
const database = await openDatabase({ url, log: silentLog, applicationName: 'packets-process' })
const { pool } = database
const store = await openContentStore({
  ...{ pool, directory, now: Date.now, onTrouble: () => undefined },
  bounds: { objectBytesMax: 64 * 1024 * 1024, freeBytesMin: 0 },
})
const parts = { database, store, log: silentLog, stops: openStops(silentLog), now: Date.now }
const packets = await openNodePackets({ EVENT_LINES_KEEP_S: undefined }, parts)
const sealing = await startNodeSealing(
  { EVENT_BUFFER_MS: 50, PUBLISH_MODE: 'live', PACKET_BATCH_MS: 100 },
  { ...parts, metrics: openMetrics(), registry: { stream: async () => sampleStream } },
)
const log = openEventLog({
  ...{ pool, logKey: LOG_KEY, network: 'local', now: Date.now },
  begin: packets.begin,
  onAppended: sealing.wake,
})
const accept = openAccept({
  findStream: async () => sampleStream,
  forgetStreams: () => undefined,
  append: log.append,
  randomKey: () => new Uint8Array(randomBytes(16)),
})

for (;;) {
  const salt = randomBytes(8).toString('hex')
  const items = Array.from({ length: 20 }, (_, n) => ({
    eventType: 'reading',
    timestamp: Date.now(),
    data: { salt, n },
  }))
  const outcome = await accept(arrivedWith(items, { receivedMs: Date.now(), source: sampleSource }))
  if (outcome.kind !== 'answered') throw new Error(JSON.stringify(outcome))
  const ids = outcome.items.flatMap(item => (item.status === 'accepted' ? [item.eventId] : []))
  process.stdout.write(`${ids.join('\n')}\n`)
}
