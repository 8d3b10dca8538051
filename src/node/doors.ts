import type { Request } from 'express'
import { readSyncPage } from '../adapters/discovery/sync-feed.ts'
import type { OpenFuel } from '../adapters/fuel/open-fuel.ts'
import { inUse } from '../adapters/keys/keyring.ts'
import { openOutgoing } from '../adapters/outgoing/outgoing.ts'
import type { Overlay } from '../adapters/overlay/overlay.ts'
import type { Database } from '../adapters/postgres/database.ts'
import type { Network } from '../core/network.ts'
import type { AdminActions } from '../http/admin-actions.ts'
import { adminRoutes } from '../http/admin-routes.ts'
import { nodeApp, standingHeaders } from '../http/app.ts'
import { openAuthentication } from '../http/authentication.ts'
import { chainRoutes } from '../http/chain-routes.ts'
import { type HealthCheck, healthRoutes } from '../http/health-routes.ts'
import { identityRoutes, type NodeIdentity } from '../http/identity-routes.ts'
import { loggedPath } from '../http/logged-path.ts'
import { overlayRoutes } from '../http/overlay-routes.ts'
import { httpLimits, listen } from '../http/server.ts'
import { syncRoutes } from '../http/sync-routes.ts'
import { authEvents } from '../runtime/auth-events.ts'
import type { Log } from '../runtime/log.ts'
import type { Metrics } from '../runtime/metrics.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'
import type { NodeChain } from './node-chain.ts'
import { fuelHealth, fuelMetrics } from './node-fuel.ts'
import type { NodeKeys } from './node-keys.ts'
import type { NodeStorage } from './node-storage.ts'
import { listeningAddress, publicAddressOf } from './public-address.ts'

export type Doors = {
  readonly log: Log
  readonly metrics: Metrics
  readonly overlay: Overlay
  readonly nodeChain: NodeChain
  readonly database: Database
  readonly keys: NodeKeys
  readonly fuel: OpenFuel
  readonly storage: NodeStorage
  readonly actions: AdminActions
  readonly stops: Stops
  readonly startedAtMs: number
  readonly signer: 'native' | 'portable'
}

export async function openDoors(
  settings: Settings,
  doors: Doors,
): Promise<{ url: string; port: number; stop(): Promise<void> }> {
  const { log, metrics, overlay, nodeChain, database, keys, fuel, storage, startedAtMs, signer } = doors
  const { local } = nodeChain
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
  fuelMetrics(fuel, metrics)
  const service = {
    name,
    advertisableFQDN:
      settings.ASSAY_PUBLIC_URL === undefined ? null : new URL(settings.ASSAY_PUBLIC_URL).hostname,
    port: settings.PORT,
    network,
    topicManagerCount: Object.keys(overlay.hosted.managers).length,
    lookupServiceCount: Object.keys(overlay.hosted.services).length,
  }
  const onFailure = (error: unknown, { method, originalUrl }: Request) => {
    metrics.errors.inc()
    log.error({ err: error, method, path: loggedPath(originalUrl) }, 'a request failed')
  }
  const outgoing = openOutgoing({ network })
  const authentication = openAuthentication({
    identity: inUse(keys.node),
    pool: database.pool,
    now: Date.now,
    onFailure,
    events: authEvents(log, metrics),
  })
  doors.stops.add('authentication', authentication.stop)
  metrics.gauge('assay_auth_sessions', 'sessions of proven callers', authentication.sessionCount)
  const app = nodeApp({
    network,
    onFailure,
    metrics: metrics.registry,
    routes: [
      healthRoutes({
        service,
        startedAtMs,
        now: Date.now,
        isServing: doors.stops.isServing,
        checks: [...healthChecks(doors), fuelHealth(fuel, settings)],
        context: () => ({ signer }),
      }),
      identityRoutes(identityOf(keys, network)),
      overlayRoutes({
        overlay,
        ...(arcCallbackToken !== undefined && { arcCallbackToken }),
        onFailure,
      }),
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
        nodeName: name,
        network,
        startedAtMs,
        now: Date.now,
        pool: database.pool,
        hosted: overlay.hosted,
        actions: doors.actions,
        outgoing,
        log,
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
  return { url: listeningAddress(host, http.port), port: http.port, stop: http.stop }
}

function identityOf({ node, log }: NodeKeys, network: Network): NodeIdentity {
  return {
    network,
    nodeKey: inUse(node).identityKey,
    successions: node.flatMap(({ succession }) => succession ?? []),
    logKey: log.identityKey,
  }
}

function healthChecks({ database, nodeChain }: Doors): HealthCheck[] {
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
  ]
}
