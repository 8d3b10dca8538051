import { Registry } from 'prom-client'
import { nodeApp } from '../../src/http/app.ts'
import type { PublisherRouteDeps } from '../../src/http/publishers/publisher-ports.ts'
import { publisherRoutes } from '../../src/http/publishers/publisher-routes.ts'
import { httpLimits, listen } from '../../src/http/server.ts'
import { openDryRuns } from '../../src/node/dry-runs.ts'
import { HttpClient } from '../http/raw-http.ts'
import type { HeldBed } from './held-bed.ts'
import { testOnlyAuthentication } from './test-only-authentication.ts'

export type ServedPublisherRoutes = {
  readonly routes: ReturnType<typeof publisherRoutes>
  readonly client: HttpClient
  /** What was nobody's mistake but ours. */
  readonly failures: readonly unknown[]
  end(): Promise<void>
}

export type PublisherRoutesOptions = Partial<Pick<PublisherRouteDeps, 'mayRegister'>> & {
  readonly changesPerDayMax?: number
  /** Wraps the one that a node has. */
  tryPolicy?(of: PublisherRouteDeps['tryPolicy']): PublisherRouteDeps['tryPolicy']
}

/** What publishers ask, served over a bed where tests arrange what operators do; whoever a header names is believed. */
export async function servePublisherRoutes(
  bed: HeldBed,
  { changesPerDayMax = 1_000, mayRegister = () => true, tryPolicy = of => of }: PublisherRoutesOptions = {},
): Promise<ServedPublisherRoutes> {
  const failures: unknown[] = []
  const dryRuns = openDryRuns({ msMax: 60_000, waitingMax: 8 })
  const common = { changes: bed.changes, changesPerDayMax }
  const routes = publisherRoutes({
    authentication: testOnlyAuthentication(),
    pool: bed.database.pool,
    feeds: {
      ...common,
      ceiling: { eventsPerDay: 1_000 },
      ...{ streamsPerIdentityMax: 4, streamsMax: 100, feedsPerIdentityMax: 3, feedsMax: 100 },
      random: bytes => crypto.getRandomValues(new Uint8Array(bytes)),
    },
    producers: { ...common, producersMax: 1 },
    quarantine: bed.quarantine.own,
    mayRegister,
    tryPolicy: tryPolicy(dryRuns.tryPolicy),
    now: () => bed.clock.nowMs,
    onAsked: () => undefined,
    onFailure: error => void failures.push(error),
  })
  const app = nodeApp({
    routes: [routes],
    metrics: new Registry(),
    network: 'local',
    onFailure: error => void failures.push(error),
  })
  const http = await listen(app, 0, '127.0.0.1', { ...httpLimits, drainMsMax: 2_000 })
  const client = new HttpClient(http.port)
  return {
    ...{ routes, client, failures },
    async end() {
      client.close()
      await http.stop()
      await dryRuns.stop()
    },
  }
}
