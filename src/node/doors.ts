import type { Request } from 'express'
import { readSyncPage } from '../adapters/discovery/sync-feed.ts'
import type { OpenFuel } from '../adapters/fuel/open-fuel.ts'
import { inUse } from '../adapters/keys/keyring.ts'
import type { Outgoing } from '../adapters/outgoing/outgoing.ts'
import type { Overlay } from '../adapters/overlay/overlay.ts'
import type { Database } from '../adapters/postgres/database.ts'
import { openFindReader } from '../adapters/reading/readable.ts'
import type { Network } from '../core/network.ts'
import type { AdminActions } from '../http/admin-actions.ts'
import { adminRoutes } from '../http/admin-routes.ts'
import { type NodeAppParts, nodeApp, standingHeaders } from '../http/app.ts'
import { type Authentication, openAuthentication } from '../http/authentication.ts'
import { chainRoutes } from '../http/chain-routes.ts'
import { type HealthCheck, healthRoutes } from '../http/health-routes.ts'
import { identityRoutes, type NodeIdentity } from '../http/identity-routes.ts'
import type { IngestDoor } from '../http/ingest/door.ts'
import { jobRoutes } from '../http/job-routes.ts'
import { loggedPath } from '../http/logged-path.ts'
import { overlayRoutes } from '../http/overlay-routes.ts'
import { quarantineRoutes } from '../http/quarantine-routes.ts'
import { openReading } from '../http/read/reading.ts'
import { httpLimits, listen } from '../http/server.ts'
import { syncRoutes } from '../http/sync-routes.ts'
import { authEvents } from '../runtime/auth-events.ts'
import type { Log } from '../runtime/log.ts'
import type { Metrics } from '../runtime/metrics.ts'
import type { Settings } from '../runtime/settings.ts'
import { showAll } from '../runtime/shown-metrics.ts'
import type { Stops } from '../runtime/stops.ts'
import type { NodeChain } from './node-chain.ts'
import type { NodeConsensus } from './node-consensus.ts'
import { openNodeDeclarations } from './node-declarations.ts'
import { openNodeDetail } from './node-detail.ts'
import { openNodeExport } from './node-export.ts'
import { fuelHealth, fuelMetrics } from './node-fuel.ts'
import type { NodeIngest } from './node-ingest.ts'
import { openNodeIngestDoor } from './node-ingest-door.ts'
import type { NodeKeys } from './node-keys.ts'
import { openNodeLineage } from './node-lineage.ts'
import type { NodeLive } from './node-live.ts'
import { openNodePortal } from './node-portal.ts'
import { openNodeProofs } from './node-proofs.ts'
import { openNodePublishers } from './node-publishers.ts'
import { queryRoutes } from './node-query.ts'
import { coordinatorBounds, jobRules } from './node-rounds.ts'
import type { NodeStorage } from './node-storage.ts'
import type { NodeSubscriptions } from './node-subscriptions.ts'
import { listeningAddress, publicAddressOf } from './public-address.ts'

export type Doors = {
  readonly log: Log
  readonly metrics: Metrics
  readonly overlay: Overlay
  readonly nodeChain: NodeChain
  readonly database: Database
  readonly outgoing: Outgoing
  readonly keys: NodeKeys
  readonly fuel: OpenFuel
  readonly storage: NodeStorage
  readonly ingest: NodeIngest
  readonly live: NodeLive
  readonly subscriptions: NodeSubscriptions
  readonly consensus: NodeConsensus
  readonly actions: AdminActions
  readonly stops: Stops
  readonly startedAtMs: number
  readonly signer: 'native' | 'portable'
}

/** Opens the HTTP server; it is the last to open and among the first to close. */
export async function openDoors(
  settings: Settings,
  doors: Doors,
): Promise<{ url: string; port: number; stop(): Promise<void> }> {
  const { log, metrics, overlay, fuel, signer } = doors
  const { ASSAY_NETWORK: network, ASSAY_HOST: host } = settings
  metrics.gauge(
    'assay_verified_transactions',
    'transactions whose scripts are not run again',
    overlay.verifiedCount,
  )
  fuelMetrics(fuel, metrics)
  const onFailure = (error: unknown, { method, originalUrl }: Request) => {
    metrics.errors.inc()
    log.error({ err: error, method, path: loggedPath(originalUrl) }, 'a request failed')
  }
  const service = serviceOf(settings, overlay)
  const authentication = openNodeAuthentication(doors, onFailure)
  const ingestDoor = openIngestDoorOf(settings, doors, authentication)
  const app = nodeApp({
    network,
    onFailure,
    metrics: showAll([
      metrics.registry,
      ...(doors.ingest.followers === undefined ? [] : [doors.ingest.followers]),
    ]),
    routes: [
      ...routesOf(settings, doors, { service, authentication, onFailure }),
      ...readingRoutes(settings, doors, { authentication, onFailure }),
      quarantineRoutes({
        ...{ authentication, log, onFailure },
        token: settings.ADMIN_TOKEN,
        identityKeys: settings.ADMIN_IDENTITY_KEYS,
        quarantine: doors.ingest.quarantine,
      }),
      ...doors.live.routes({ authentication, views: doors.subscriptions.views, onFailure }),
      ...doors.subscriptions.routes({ authentication, onFailure }),
      openNodePublishers(settings, {
        ...{ authentication, metrics, stops: doors.stops, onFailure },
        changes: doors.ingest.registry.changes,
        quarantine: doors.ingest.quarantine.own,
      }),
      ...doors.consensus.routes({ onFailure }),
      jobRoutes({
        ...{ authentication, log, onFailure },
        token: settings.ADMIN_TOKEN,
        identityKeys: settings.ADMIN_IDENTITY_KEYS,
        jobs: doors.consensus.jobs,
      }),
      ingestDoor.routes,
      ...(await openNodePortal(settings, log)),
    ],
  })
  const http = await listen(app, settings.PORT, host, {
    ...httpLimits,
    headers: standingHeaders(network),
    first: ingestDoor.handle,
  })
  doors.consensus.upgrade(http.server)
  doors.live.upgrade(http.server)
  service.port = http.port
  log.info({ host, port: http.port, network, signer }, 'listening')
  const stop = async () => {
    doors.live.letGo()
    await http.stop()
  }
  return { url: listeningAddress(host, http.port), port: http.port, stop }
}

type OnFailure = (error: unknown, request: Request) => void
type Frame = { readonly authentication: Authentication; readonly onFailure: OnFailure }

/** In the order in which they are asked. */
function routesOf(
  settings: Settings,
  doors: Doors,
  { service, authentication, onFailure }: Frame & { readonly service: Service },
): NodeAppParts['routes'] {
  const { overlay, nodeChain, database, keys, storage, startedAtMs, signer } = doors
  const { ASSAY_NETWORK: network, ASSAY_HOST: host, ARC_CALLBACK_TOKEN: arcCallbackToken } = settings
  return [
    healthRoutes({
      service,
      startedAtMs,
      now: Date.now,
      isServing: doors.stops.isServing,
      checks: healthChecks(settings, doors),
      context: () => ({ signer }),
    }),
    identityRoutes(identityOf(keys, network)),
    openNodeDeclarations({
      ...{ database, overlay, onFailure },
      chain: nodeChain.chain,
      proxies: settings.TRUSTED_PROXY_CIDRS,
      now: Date.now,
    }),
    overlayRoutes({ overlay, ...(arcCallbackToken !== undefined && { arcCallbackToken }), onFailure }),
    syncRoutes({
      topics: Object.keys(overlay.hosted.managers),
      readPage: question => readSyncPage(database.pool, question),
      onFailure,
    }),
    authentication.routes,
    storage.routes({
      authentication,
      address: () => publicAddressOf(settings, service.port) ?? listeningAddress(host, service.port),
      onFailure,
    }),
    adminRoutes({
      authentication,
      token: settings.ADMIN_TOKEN,
      identityKeys: settings.ADMIN_IDENTITY_KEYS,
      nodeName: service.name,
      network,
      startedAtMs,
      now: Date.now,
      pool: database.pool,
      hosted: overlay.hosted,
      actions: doors.actions,
      outgoing: doors.outgoing,
      log: doors.log,
      onFailure,
    }),
    ...localChainRoutes(settings, nodeChain, onFailure),
  ]
}

/** What readers ask for. */
function readingRoutes(
  settings: Settings,
  { ingest: { findEvent }, overlay, database, nodeChain: { chain }, storage, keys }: Doors,
  { authentication, onFailure }: Frame,
): NodeAppParts['routes'] {
  const { pool, questions } = database
  const reading = openReading({ authentication, findReader: openFindReader(pool) })
  const { masterKey } = keys
  return [
    openNodeLineage(settings, { pool: questions, chain, reading, onFailure }),
    ...openNodeDetail({
      ...{ pool, questions, content: storage.store, chain },
      ...{ hosted: overlay.hosted, masterKey, findEvent, reading, now: Date.now, onFailure },
      jobRules: jobRules(coordinatorBounds(settings)),
    }),
    ...openNodeProofs(settings, { pool: questions, content: storage.store, findEvent, reading, onFailure }),
    ...openNodeExport(settings, { pool: questions, reading, onFailure }),
    ...queryRoutes(settings, { pool: questions, masterKey, findEvent, reading, onFailure, now: Date.now }),
  ]
}

/** Events come in ahead of the app, which costs more than they do. */
function openIngestDoorOf(settings: Settings, doors: Doors, authentication: Authentication): IngestDoor {
  const { accept, pushBack, registry, now } = doors.ingest
  const { log, metrics, stops } = doors
  return openNodeIngestDoor(settings, {
    ...{ accept, pushBack, authentication, now, log, metrics, stops },
    registry: registry.registry,
    noteActivity: registry.noteActivity,
    pool: doors.database.pool,
  })
}

function openNodeAuthentication(
  { log, metrics, keys, database, stops }: Doors,
  onFailure: OnFailure,
): Authentication {
  const authentication = openAuthentication({
    identity: inUse(keys.node),
    pool: database.pool,
    now: Date.now,
    onFailure,
    events: authEvents(log, metrics),
  })
  stops.add('authentication', authentication.stop)
  metrics.gauge('assay_auth_sessions', 'sessions of proven callers', authentication.sessionCount)
  return authentication
}

/** Only where the chain lives in this node's own database. */
function localChainRoutes(
  { LOCAL_CHAIN_CONTROL: control }: Settings,
  { local: chain }: NodeChain,
  onFault: OnFailure,
): NodeAppParts['routes'] {
  return chain === undefined ? [] : [['/chain', chainRoutes({ chain, control, onFault })]]
}

type Service = ReturnType<typeof serviceOf>

function serviceOf(settings: Settings, { hosted }: Overlay) {
  const { ASSAY_PUBLIC_URL: publicUrl } = settings
  return {
    name: settings.ASSAY_NODE_NAME,
    advertisableFQDN: publicUrl === undefined ? null : new URL(publicUrl).hostname,
    port: settings.PORT,
    network: settings.ASSAY_NETWORK,
    topicManagerCount: Object.keys(hosted.managers).length,
    lookupServiceCount: Object.keys(hosted.services).length,
  }
}

function identityOf({ node, log }: NodeKeys, network: Network): NodeIdentity {
  return {
    network,
    nodeKey: inUse(node).identityKey,
    successions: node.flatMap(({ succession }) => succession ?? []),
    logKey: log.identityKey,
  }
}

function healthChecks(settings: Settings, { database, nodeChain, fuel, ingest }: Doors): HealthCheck[] {
  return [
    {
      name: 'database',
      critical: true,
      async run() {
        await database.pool.query('select 1')
        return undefined
      },
    },
    ...nodeChain.checks,
    fuelHealth(fuel, settings),
    ...ingest.checks,
  ]
}
