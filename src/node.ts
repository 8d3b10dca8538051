import path from 'node:path'
import type { Request } from 'express'
import { EventsLookupService } from '../lookup-services/events.ts'
import { migrations } from '../migrations/index.ts'
import { EventsIngestTopicManager } from '../topic-managers/events-ingest.ts'
import { spendHolds } from './adapters/bsv/judge-spend.ts'
import { installNativeCurve } from './adapters/bsv/native-curve.ts'
import type { Chain } from './adapters/chain/chain.ts'
import { followLocalChain } from './adapters/chain/follow-local-chain.ts'
import { type LocalChain, openLocalChain } from './adapters/chain/local-chain.ts'
import { postgresEventsIndex } from './adapters/indexes/events-index.ts'
import type { Hosted } from './adapters/overlay/hosted.ts'
import { type Overlay, openOverlay } from './adapters/overlay/overlay.ts'
import { postToPeer } from './adapters/overlay/post-to-peer.ts'
import { type Database, openDatabase } from './adapters/postgres/database.ts'
import { startEmbeddedServer } from './adapters/postgres/embedded-server.ts'
import { migrate } from './adapters/postgres/migrate.ts'
import { baseLookupServices, baseTopics } from './contract/names.ts'
import { nodeApp, standingHeaders } from './http/app.ts'
import { chainRoutes } from './http/chain-routes.ts'
import { type HealthCheck, healthRoutes } from './http/health-routes.ts'
import { overlayRoutes } from './http/overlay-routes.ts'
import { httpLimits, listen } from './http/server.ts'
import type { Log } from './runtime/log.ts'
import { type Metrics, openMetrics } from './runtime/metrics.ts'
import { overlayEvents } from './runtime/overlay-events.ts'
import type { Settings } from './runtime/settings.ts'
import { openStops, type Stops } from './runtime/stops.ts'

export type RunningNode = {
  readonly url: string
  readonly overlay: Overlay
  readonly network: Settings['ASSAY_NETWORK']
  /** Where the embedded database lives; undefined with a DATABASE_URL. */
  readonly dataDir: string | undefined
  stop(): Promise<void>
}

/** Database, chain, overlay, doors: in this order, and back in the other. */
export async function startNode(settings: Settings, log: Log): Promise<RunningNode> {
  const stops = openStops(log)
  try {
    const startedAtMs = Date.now()
    const metrics = openMetrics()
    const { signer } = installNativeCurve()
    if (signer === 'portable')
      log.warn('libsecp256k1 is not available on this machine: signatures cost about thirty times as much')

    const database = await openNodeDatabase(settings, log, stops)
    await migrate(database, migrations)
    const { chain, local } = await openChain(settings, database, log, stops)
    const hosted = hostedTopics(database)
    const overlay = openOverlay({
      pool: database.pool,
      chain,
      hosted,
      now: Date.now,
      peers: settings.ASSAY_PEERS,
      post: postToPeer,
      events: overlayEvents(log, metrics),
    })
    // Before it starts, as its start may fail half-way.
    stops.add('overlay', () => overlay.stop())
    await overlay.start()

    const http = await openDoors(settings, {
      log,
      metrics,
      overlay,
      chain,
      local,
      database,
      startedAtMs,
      signer,
      isServing: stops.isServing,
    })
    stops.add('HTTP', http.stop)
    return {
      url: http.url,
      overlay,
      network: settings.ASSAY_NETWORK,
      dataDir: dataDirOf(settings),
      stop: stops.run,
    }
  } catch (error) {
    await stops.run()
    throw error
  }
}

/** What this node hosts. */
export function hostedTopics({ pool }: Database): Hosted {
  const index = postgresEventsIndex(pool)
  return {
    managers: { [baseTopics.ingest]: new EventsIngestTopicManager() },
    services: {
      [baseLookupServices.events]: Object.assign(new EventsLookupService(index), { reset: index.reset }),
    },
  }
}

/** The server that the settings name, or our own. */
export async function openNodeDatabase(settings: Settings, log: Log, stops: Stops): Promise<Database> {
  const url = settings.DATABASE_URL ?? (await startOwnServer(settings, log, stops))
  const database = await openDatabase({
    url,
    log,
    applicationName: settings.ASSAY_NODE_NAME,
    connectionsMax: settings.DATABASE_CONNECTIONS_MAX,
  })
  stops.add('database', () => database.close())
  return database
}

async function startOwnServer(settings: Settings, log: Log, stops: Stops): Promise<string> {
  const server = await startEmbeddedServer({ dataDir: path.join(settings.ASSAY_DATA_DIR, 'postgres'), log })
  stops.add('PostgreSQL', () => server.stop())
  return server.url
}

function dataDirOf({ DATABASE_URL, ASSAY_DATA_DIR }: Settings): string | undefined {
  return DATABASE_URL === undefined ? path.resolve(ASSAY_DATA_DIR) : undefined
}

/** `local`: where the chain lives in this node's own database. */
async function openChain(
  settings: Settings,
  { pool }: Database,
  log: Log,
  stops: Stops,
): Promise<{ chain: Chain; local?: LocalChain }> {
  const onTrouble = (error: unknown) =>
    log.error({ err: error }, 'the local chain had trouble; it goes on by itself')
  if (settings.LOCAL_CHAIN_URL !== undefined) {
    const chain = await followLocalChain({ url: settings.LOCAL_CHAIN_URL, onTrouble })
    stops.add('chain follower', () => chain.close())
    return { chain }
  }
  const local = await openLocalChain({ pool, satisfies: spendHolds, onTrouble })
  stops.add('local chain', () => local.close())
  stops.add('miner', local.startMiner({ intervalMs: settings.LOCAL_BLOCK_MS }))
  return { chain: local, local }
}

type Doors = {
  readonly log: Log
  readonly metrics: Metrics
  readonly overlay: Overlay
  readonly chain: Chain
  readonly local?: LocalChain | undefined
  readonly database: Database
  readonly startedAtMs: number
  readonly signer: 'native' | 'portable'
  isServing(): boolean
}

async function openDoors(settings: Settings, doors: Doors): Promise<{ url: string; stop(): Promise<void> }> {
  const { log, metrics, overlay, local, startedAtMs, signer, isServing } = doors
  const {
    ASSAY_NETWORK: network,
    ASSAY_NODE_NAME: name,
    ASSAY_HOST: host,
    ARC_CALLBACK_TOKEN: arcCallbackToken,
  } = settings
  metrics.gauge(
    'assay_verified_transactions',
    'transactions whose scripts are not run again',
    overlay.verifiedCount,
  )
  const service = {
    name,
    advertisableFQDN: null,
    port: settings.PORT,
    network,
    topicManagerCount: Object.keys(overlay.hosted.managers).length,
    lookupServiceCount: Object.keys(overlay.hosted.services).length,
  }
  const onFailure = (error: unknown, { method, originalUrl }: Request) => {
    metrics.errors.inc()
    log.error({ err: error, method, path: originalUrl.replace(/\?.*/, '') }, 'a request failed')
  }
  const app = nodeApp({
    network,
    onFailure,
    metrics: metrics.registry,
    routes: [
      healthRoutes({
        service,
        startedAtMs,
        now: Date.now,
        isServing,
        checks: healthChecks(doors),
        context: () => ({ signer }),
      }),
      overlayRoutes({
        overlay,
        ...(arcCallbackToken !== undefined && { arcCallbackToken }),
        onFailure,
      }),
      ...(local === undefined
        ? []
        : [
            [
              '/chain',
              chainRoutes({ chain: local, control: settings.LOCAL_CHAIN_CONTROL, onFault: onFailure }),
            ] as const,
          ]),
    ],
  })
  const http = await listen(app, settings.PORT, host, { ...httpLimits, headers: standingHeaders(network) })
  service.port = http.port
  log.info({ host, port: http.port, network, signer }, 'listening')
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${http.port}`, stop: http.stop }
}

function healthChecks({ database, chain }: Doors): HealthCheck[] {
  return [
    {
      name: 'database',
      critical: true,
      async run() {
        await database.pool.query('select 1')
        return undefined
      },
    },
    { name: 'chain', critical: true, run: async () => `height ${(await chain.tip()).height}` },
  ]
}
