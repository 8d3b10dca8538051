import { Registry } from 'prom-client'
import { openDatabase } from '../../src/adapters/postgres/database.ts'
import { openContentStore } from '../../src/adapters/uhrp/content-store.ts'
import { seatInOverlay } from '../../src/adapters/uhrp/may-upload.ts'
import { nodeApp } from '../../src/http/app.ts'
import { listen } from '../../src/http/server.ts'
import { uhrpRoutes } from '../../src/http/uhrp-routes.ts'
import { silentLog } from '../support/silent-log.ts'
import { testOnlyAuthentication } from '../support/test-only-authentication.ts'
import { storeBounds } from '../support/uhrp-bed.ts'

/* The routes of stored content in a process of its own, that can be killed and whose memory is its own. */

const [url = '', directory = ''] = process.argv.slice(2)
const { pool } = await openDatabase({ url, log: silentLog, applicationName: 'storage' })
const store = await openContentStore({
  pool,
  directory,
  bounds: storeBounds,
  now: Date.now,
  onTrouble: () => undefined,
})
let publicUrl = ''
const onFailure = (error: unknown) => void process.stderr.write(`${error}\n`)
const routes = uhrpRoutes({
  pool,
  store,
  mayUpload: seatInOverlay({ db: pool, coordinators: [], quotaBytes: 0, now: Date.now }),
  authentication: testOnlyAuthentication(),
  uploaders: 'any',
  quotaBytes: Number.MAX_SAFE_INTEGER,
  publicUrl: () => publicUrl,
  now: Date.now,
  onFailure,
})
const app = nodeApp({ routes: [routes], metrics: new Registry(), network: 'local', onFailure })
const { port } = await listen(app, 0, '127.0.0.1')
publicUrl = `http://127.0.0.1:${port}`
process.on('message', () => process.send?.({ rss: process.memoryUsage().rss }))
process.on('disconnect', () => process.exit())
process.send?.({ url: publicUrl })
