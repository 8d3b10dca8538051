import { openDatabase } from '../../src/adapters/postgres/database.ts'
import { openContentStore } from '../../src/adapters/uhrp/content-store.ts'
import { openNodeLive } from '../../src/node/node-live.ts'
import { openNodeSubscriptions } from '../../src/node/node-subscriptions.ts'
import { openMetrics } from '../../src/runtime/metrics.ts'
import { readSettings } from '../../src/runtime/settings.ts'
import { openStops } from '../../src/runtime/stops.ts'
import { LOG_KEY } from '../support/log-bed.ts'
import { silentLog } from '../support/silent-log.ts'

/** Delivers to webhooks until it is killed, as a node does. */
const [url = '', directory = ''] = process.argv.slice(2)
const database = await openDatabase({ url, log: silentLog, applicationName: 'subscriptions-process' })
const settings = readSettings({})
const store = await openContentStore({
  ...{ pool: database.pool, directory, now: Date.now, onTrouble: () => undefined },
  bounds: { objectBytesMax: 64 * 1024 * 1024, freeBytesMin: 0 },
})
const parts = {
  ...{ database, log: silentLog, metrics: openMetrics(), stops: openStops(silentLog), now: Date.now },
  masterKey: new Uint8Array(32).fill(1),
}
const live = openNodeLive(settings, { ...parts, store })
openNodeSubscriptions(settings, { ...parts, live, logKey: LOG_KEY })
process.stdout.write('delivering\n')
