import { migrations } from '../migrations/index.ts'
import { withoutAgents } from './adapters/agents/without-agents.ts'
import { installNativeCurve } from './adapters/bsv/native-curve.ts'
import { postgresHostAdvertsIndex } from './adapters/indexes/host-adverts-index.ts'
import { inUse } from './adapters/keys/keyring.ts'
import { openOutgoing } from './adapters/outgoing/outgoing.ts'
import { type Overlay, openOverlay } from './adapters/overlay/overlay.ts'
import { migrate } from './adapters/postgres/migrate.ts'
import type { ChangeDeps } from './adapters/registry/changing.ts'
import { fuelAdverts } from './adapters/uhrp/fuel-adverts.ts'
import { distributionOf } from './node/distribution.ts'
import { openDoors } from './node/doors.ts'
import { hostedTopics } from './node/hosted-topics.ts'
import { openNodeChain } from './node/node-chain.ts'
import { type NodeConsensus, openNodeConsensus } from './node/node-consensus.ts'
import { dataDirOf, openNodeDatabase } from './node/node-database.ts'
import { openNodeDiscovery } from './node/node-discovery.ts'
import { fuelEvents, openNodeFuel } from './node/node-fuel.ts'
import { openNodeIngest } from './node/node-ingest.ts'
import { openNodeKeys } from './node/node-keys.ts'
import { openNodeLive } from './node/node-live.ts'
import { openNodePeers } from './node/node-peers.ts'
import { openNodeStorage } from './node/node-storage.ts'
import { openNodeSubscriptions } from './node/node-subscriptions.ts'
import { publicAddressOf } from './node/public-address.ts'
import type { PublicChainOptions } from './node/public-chain.ts'
import { openClock } from './runtime/clock.ts'
import type { Log } from './runtime/log.ts'
import { openMetrics } from './runtime/metrics.ts'
import { overlayEvents } from './runtime/overlay-events.ts'
import type { Settings } from './runtime/settings.ts'
import { openStops } from './runtime/stops.ts'

export type RunningNode = {
  readonly url: string
  readonly overlay: Overlay
  readonly network: Settings['ASSAY_NETWORK']
  /** Sources and streams are registered with it. */
  readonly registry: ChangeDeps
  /** Where the embedded database lives; undefined with a DATABASE_URL. */
  readonly dataDir: string | undefined
  stop(): Promise<void>
}

export type NodeOptions = PublicChainOptions & {
  /** Told of each part before it is started, in words for whoever waits. */
  onStep?(step: string): void
}

/** Database, chain, overlay, ingest, doors: in this order, and back in the other. */
export async function startNode(
  settings: Settings,
  log: Log,
  { onStep = () => undefined, ...options }: NodeOptions = {},
): Promise<RunningNode> {
  const stops = openStops(log)
  try {
    const startedAtMs = Date.now()
    const metrics = openMetrics()
    const { signer } = installNativeCurve()
    if (signer === 'portable')
      log.warn('libsecp256k1 is not available on this machine: signatures cost about thirty times as much')

    onStep(settings.DATABASE_URL === undefined ? 'the database of its own' : 'the database')
    const database = await openNodeDatabase(settings, log, stops)
    onStep('the tables')
    await migrate(database, migrations)
    onStep(`the ${settings.ASSAY_NETWORK} chain, and the overlay on it`)
    const nodeChain = await openNodeChain(settings, database, log, stops, options)
    const keys = await openNodeKeys(settings, database.pool)
    const { chain, local } = nodeChain
    // One for all: what one host is called with at once is bounded together.
    const outgoing = openOutgoing({ network: settings.ASSAY_NETWORK })
    const hosted = hostedTopics(database, {
      network: settings.ASSAY_NETWORK,
      ...whoCounts(settings, keys.log.identityKey),
    })
    const distribution = distributionOf(settings)
    const { peers, post, startSync } = await openNodePeers(settings, {
      topics: Object.keys(hosted.managers),
      hostsOf: withoutAgents(postgresHostAdvertsIndex(database.pool).hostsOf, {
        pool: database.pool,
        now: Date.now,
      }),
      identity: inUse(keys.node),
      pool: database.pool,
      outgoing,
      log,
      metrics,
      stops,
    })
    // Told of what the overlay and the network take in, from the moment that it is there.
    let consensus: NodeConsensus | undefined
    const overlay = openOverlay({
      pool: database.pool,
      chain,
      hosted,
      now: Date.now,
      peers: settings.ASSAY_PEERS,
      isDistributed: distribution.isDistributed,
      post,
      advertised: peers,
      events: overlayEvents(log, metrics, {
        onAdmitted: topics => consensus?.onAdmitted(topics),
        onNetworkHas: spent => consensus?.onNetworkHas(spent),
      }),
    })
    // Before it starts, as its start may fail half-way.
    stops.add('overlay', () => overlay.stop())
    await overlay.start()
    const fuel = openNodeFuel(settings, {
      database,
      chain,
      local,
      key: keys.fuel,
      overlay,
      events: fuelEvents(log, metrics, {
        onSeen: txid => consensus?.onSeen(txid),
        onDead: txid => consensus?.onSeen(txid),
      }),
    })
    stops.add('fuel', () => fuel.stop())
    await fuel.start()
    const syncing = startSync(overlay, chain)
    onStep('the log of events, and its doors')

    const storage = await openNodeStorage(settings, database, { log, metrics, stops })

    // Known once the doors are open; nobody is asked before.
    let address: string | undefined
    consensus = await openNodeConsensus(settings, {
      ...{ database, fuel, chain, keys, outgoing, log, metrics, stops },
      store: storage.store,
      address: () => address,
      now: openClock(settings.ASSAY_CLOCK_OFFSET_MS),
    })
    const live = openNodeLive(settings, {
      ...{ database, log, metrics, stops },
      store: storage.store,
      masterKey: keys.masterKey,
      now: openClock(settings.ASSAY_CLOCK_OFFSET_MS),
    })
    const subscriptions = openNodeSubscriptions(settings, {
      ...{ database, live, log, metrics, stops },
      masterKey: keys.masterKey,
      logKey: keys.log.identityKey,
      now: openClock(settings.ASSAY_CLOCK_OFFSET_MS),
    })
    const ingest = await openNodeIngest(settings, {
      ...{ database, outgoing, consensus, log, metrics, stops },
      onAppended: live.onAppended,
      databaseUrl: database.url,
      store: storage.store,
      logKey: keys.log.identityKey,
    })

    const discovery = openNodeDiscovery({
      ...{ database, hosted, outgoing, fuel, keys, log, metrics, stops },
      isAdvertised: distribution.isAdvertised,
    })

    const http = await openDoors(settings, {
      log,
      metrics,
      overlay,
      nodeChain,
      database,
      outgoing,
      keys,
      fuel,
      storage,
      ingest,
      live,
      subscriptions,
      consensus,
      actions: {
        ...discovery.actions,
        startSync: async () => syncing.wake(),
      },
      stops,
      startedAtMs,
      signer,
    })
    stops.add('HTTP', http.stop)
    address = publicAddressOf(settings, http.port)
    if (address === undefined)
      log.warn('ASSAY_PUBLIC_URL is not set: nothing that this node hosts is advertised, so nobody finds it')
    else {
      discovery.start(address)
      storage.advertise(fuelAdverts({ fuel, identities: keys.node }), address)
    }
    return {
      url: http.url,
      overlay,
      network: settings.ASSAY_NETWORK,
      registry: ingest.registry.changes,
      dataDir: dataDirOf(settings),
      stop: stops.run,
    }
  } catch (error) {
    await stops.run()
    throw error
  }
}

/** Without a list it is anybody's: then nobody can say more of a certificate than that it is consistent. */
function whoCounts({ EVENT_OPERATORS: operators, EVENT_COORDINATORS: coordinators }: Settings, own: string) {
  return {
    ...(operators.length > 0 && { operators }),
    ...(coordinators.length > 0 && { coordinators: [own, ...coordinators] }),
  }
}
