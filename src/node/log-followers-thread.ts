import { parentPort, workerData } from 'node:worker_threads'
import { Registry } from 'prom-client'
import { openDatabase } from '../adapters/postgres/database.ts'
import { openStreamsToSeal } from '../adapters/registry/streams-to-seal.ts'
import { type Mode, modeAtFirst } from '../jobs/mode.ts'
import { openClock } from '../runtime/clock.ts'
import { openLog } from '../runtime/log.ts'
import { openMachineBusy } from '../runtime/machine-busy.ts'
import { openStops } from '../runtime/stops.ts'
import { startLogFollowers } from './log-followers.ts'
import type { FollowersData, FromFollowers, ToFollowers } from './log-followers-messages.ts'
import { openNodeLocal } from './node-local.ts'
import { readFrom } from './node-packets.ts'
import { openNodeStore } from './node-storage.ts'

/** The main of the thread in which a node follows its log; `follow-in-thread.ts` starts it. */
if (parentPort === null) throw new Error('log-followers-thread is a thread of a node, and no program')
const port = parentPort
const tell = (message: FromFollowers) => port.postMessage(message)

const { settings, databaseUrl, connectionsMax, logLevel, logKey, asksOutside } = workerData as FollowersData
const log = openLog(logLevel, { write: line => tell({ kind: 'log', line }) })
const stops = openStops(log)
const database = await openDatabase({
  url: databaseUrl,
  log,
  applicationName: settings.ASSAY_NODE_NAME,
  connectionsMax,
  statementMsMax: settings.DATABASE_STATEMENT_MS_MAX,
})
stops.add('database of the followers', database.close)
const registry = new Registry()
const now = openClock(settings.ASSAY_CLOCK_OFFSET_MS)
const store = await openNodeStore(settings, database.pool, (sha256, trouble) =>
  log.error({ sha256, trouble }, 'a stored object cannot be served any more; store it again to heal it'),
)
const followers = await startLogFollowers(settings, {
  ...{ database, store, log, stops, logKey, now },
  registry: { stream: openStreamsToSeal(database.pool) },
  metrics: { registry },
  operators: settings.EVENT_OPERATORS,
  busy: openMachineBusy(),
  onPacket: () => tell({ kind: 'packet' }),
})
// Until it is told otherwise, as every node at first.
let mode: Mode = modeAtFirst.mode
if (logKey !== undefined)
  openNodeLocal({
    ...{ database, asksOutside, log, stops, now },
    content: store,
    readPayload: readFrom(store),
    mode: () => mode,
  })

port.on('message', async (message: ToFollowers) => {
  switch (message.kind) {
    case 'wake':
      return followers.wake()
    case 'mode':
      mode = message.mode
      return
    case 'show': {
      const { id, as } = message
      const metrics = await (as === 'text' ? registry.metrics() : registry.getMetricsAsJSON())
      return tell({ kind: 'shown', id, metrics })
    }
    case 'stop':
      await stops.run()
      // Nothing else keeps the thread.
      port.close()
  }
})
tell({ kind: 'started' })
