import { migrations } from '../../migrations/index.ts'
import { installNativeCurve } from '../../src/adapters/bsv/native-curve.ts'
import type { Chain } from '../../src/adapters/chain/chain.ts'
import { openOverlay } from '../../src/adapters/overlay/overlay.ts'
import { openDatabase } from '../../src/adapters/postgres/database.ts'
import { migrate } from '../../src/adapters/postgres/migrate.ts'
import { baseTopics } from '../../src/contract/names.ts'
import { readSubmittedBeef } from '../../src/contract/submitted-beef.ts'
import { orThrow } from '../../src/core/fault.ts'
import { nodeApp } from '../../src/http/app.ts'
import { overlayRoutes } from '../../src/http/overlay-routes.ts'
import { type HttpServer, listen } from '../../src/http/server.ts'
import { hostedTopics } from '../../src/node/hosted-topics.ts'
import { openLog } from '../../src/runtime/log.ts'
import { openMetrics } from '../../src/runtime/metrics.ts'
import { overlayEvents } from '../../src/runtime/overlay-events.ts'
import { CONNECTIONS, type OpenContender } from './contender.ts'

/** A node as `assay node` puts it together, but for the chain: headers are known, and nothing is sent to it. */
export const openAssay: OpenContender = async ({ databaseUrl, roots }) => {
  installNativeCurve()
  const log = openLog('warn')
  const metrics = openMetrics()
  const database = await openDatabase({
    url: databaseUrl,
    log,
    applicationName: 'bench-assay',
    connectionsMax: CONNECTIONS,
  })
  await migrate(database, migrations)
  const overlay = openOverlay({
    pool: database.pool,
    chain: headersOnly(roots),
    hosted: hostedTopics(database),
    now: Date.now,
    peers: [],
    post: unasked,
    events: overlayEvents(log, metrics),
  })
  let http: HttpServer | undefined
  return {
    async submit(bytes) {
      const beef = orThrow(readSubmittedBeef(bytes))
      const steak = orThrow(await overlay.submit({ beef, topics: [baseTopics.ingest] }))
      return steak[baseTopics.ingest]?.outputsToAdmit.length ?? 0
    },
    async listen() {
      const onFailure = (error: unknown) => log.error({ err: error }, 'a request failed')
      const routes = overlayRoutes({ overlay, onFailure })
      http = await listen(
        nodeApp({ network: 'local', metrics: metrics.registry, routes: [routes], onFailure }),
        0,
        '127.0.0.1',
      )
      return `http://127.0.0.1:${http.port}`
    },
    async close() {
      await http?.stop()
      await database.close()
    },
  }
}

function headersOnly(roots: ReadonlyMap<number, string>): Chain {
  return {
    network: 'local',
    rootAt: async height => roots.get(height),
    tip: unasked,
    broadcast: unasked,
    statusOf: unasked,
    follow: () => unasked,
  }
}

async function unasked(): Promise<never> {
  throw new Error('the overlay is not started, so it has nothing to ask or tell others')
}
