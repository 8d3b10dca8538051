import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import express from 'express'
import type { Chain } from '../../src/adapters/chain/chain.ts'
import { type HostsOf, openPeers, type Peers } from '../../src/adapters/discovery/peers.ts'
import { readSyncPage } from '../../src/adapters/discovery/sync-feed.ts'
import type { Judgement } from '../../src/adapters/discovery/sync-progress.ts'
import { syncWithPeers } from '../../src/adapters/discovery/sync-with-peers.ts'
import type { AdvertisedHost } from '../../src/adapters/indexes/host-adverts-index.ts'
import { openOutgoing } from '../../src/adapters/outgoing/outgoing.ts'
import { type Overlay, openOverlay } from '../../src/adapters/overlay/overlay.ts'
import { postToPeer } from '../../src/adapters/overlay/post-to-peer.ts'
import { type Database, openDatabase } from '../../src/adapters/postgres/database.ts'
import type { Network } from '../../src/core/network.ts'
import { overlayRoutes } from '../../src/http/overlay-routes.ts'
import { syncRoutes } from '../../src/http/sync-routes.ts'
import { hostedTopics } from '../../src/node/hosted-topics.ts'
import { temporaryDatabase } from './database.ts'
import { silentLog } from './silent-log.ts'

export type OverlayHost = {
  readonly url: string
  readonly identityKey: string
  readonly overlay: Overlay
  readonly database: Database
  readonly peers: Peers
  /** What came of all that its peers have sent when asked. */
  readonly judged: { readonly peer: string; readonly judgement: Judgement }[]
  /** Whom it could not tell, or not ask. */
  readonly failures: string[]
  end(): Promise<void>
}

/** A node with a database of its own and doors of its own, on a chain that others are on too. */
export async function overlayHost(options: {
  readonly chain: Chain
  readonly hostsOf?: HostsOf
  readonly named?: readonly string[]
  readonly network?: Network
  readonly syncMs?: number
  readonly identityKey?: string
}): Promise<OverlayHost> {
  const { chain, hostsOf = async () => [], named = [], network = 'local', syncMs = 100 } = options
  const { identityKey = '02'.padEnd(66, '0') } = options
  const temporary = await temporaryDatabase()
  const database = await openDatabase({ url: temporary.url, log: silentLog, applicationName: 'test host' })
  const { pool } = database
  const hosted = hostedTopics(database)
  const topics = Object.keys(hosted.managers)
  const failures: string[] = []
  const judged: OverlayHost['judged'] = []
  const app = express()
  const server = await serve(app)
  const callNamed = openOutgoing({ network, isVouchedFor: true })
  const peers = openPeers({
    network,
    topics,
    hostsOf,
    self: { identityKey, addresses: [server.url] },
    named,
    callNamed,
    call: openOutgoing({ network }),
    refreshMs: 20,
    ask: async () => undefined,
    mayBeUnproven: true,
    now: Date.now,
    onImpostor: () => undefined,
    onTrouble: error => void failures.push(String(error)),
  })
  await peers.start()
  const nothing = () => undefined
  const overlay = openOverlay({
    pool,
    chain,
    hosted,
    now: Date.now,
    peers: named,
    post: postToPeer(callNamed),
    advertised: peers,
    events: {
      onEvicted: nothing,
      onDoubleSpend: nothing,
      onUndelivered: ({ target }, error) => void failures.push(`${target} ${String(error)}`),
      onReorganisation: nothing,
      onProven: nothing,
      onFollowFailure: nothing,
    },
  })
  app.use(overlayRoutes({ overlay, onFailure: nothing }))
  app.use(syncRoutes({ topics, readPage: question => readSyncPage(pool, question), onFailure: nothing }))
  await overlay.start()
  const syncing = syncWithPeers({
    pool,
    now: Date.now,
    submit: overlay.submit,
    rootAt: height => chain.rootAt(height),
    peers: peers.all,
    intervalMs: syncMs,
    onJudged: (peer, judgements) => void judged.push(...judgements.map(judgement => ({ peer, judgement }))),
    onFailure: (peer, error) => void failures.push(`${peer} ${String(error)}`),
  })
  return {
    url: server.url,
    identityKey,
    overlay,
    database,
    peers,
    judged,
    failures,
    async end() {
      await syncing.stop()
      await overlay.stop()
      await peers.stop()
      await server.stop()
      await database.close()
      await temporary.drop()
    },
  }
}

/** What answers at an address of its own, until it is stopped. */
export async function serve(
  answer: RequestListener,
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const server = createServer(answer)
  const sockets = new Set<Socket>()
  server.on('connection', socket => sockets.add(socket.on('error', () => undefined)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}

/** As the index of adverts gives it out. */
export function advertOf(domain: string, identityKey = '03'.padEnd(66, 'a')): AdvertisedHost {
  return { identityKey, domain, txid: '0'.repeat(64), vout: 0 }
}
