import type { Pool } from 'pg'
import { askIdentity } from '../adapters/auth/ask-identity.ts'
import type { Chain } from '../adapters/chain/chain.ts'
import { type HostsOf, openPeers, type Peers } from '../adapters/discovery/peers.ts'
import { type SyncWithPeers, syncWithPeers } from '../adapters/discovery/sync-with-peers.ts'
import { type Outgoing, openOutgoing } from '../adapters/outgoing/outgoing.ts'
import type { PeerPost } from '../adapters/overlay/deliver.ts'
import type { Overlay } from '../adapters/overlay/overlay.ts'
import { postToPeer } from '../adapters/overlay/post-to-peer.ts'
import type { Issuer } from '../contract/tokens.ts'
import type { Log } from '../runtime/log.ts'
import type { Metrics } from '../runtime/metrics.ts'
import { openSeldom } from '../runtime/seldom.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'

export type NodePeers = {
  readonly peers: Peers
  /** To those that the operator names. */
  readonly post: PeerPost
  /** Asks them for what this node has missed, from now on. */
  startSync(overlay: Overlay, chain: Pick<Chain, 'rootAt'>): SyncWithPeers
}

/** The hosts beside this one: those that the operator names, and those that advertise the topics that it hosts. */
export async function openNodePeers(
  settings: Settings,
  {
    topics,
    hostsOf,
    identity,
    pool,
    outgoing,
    log,
    metrics,
    stops,
  }: {
    readonly topics: readonly string[]
    readonly hostsOf: HostsOf
    /** Who this node says it is. */
    readonly identity: Issuer
    readonly pool: Pool
    readonly outgoing: Outgoing
    readonly log: Log
    readonly metrics: Metrics
    readonly stops: Stops
  },
): Promise<NodePeers> {
  const network = settings.ASSAY_NETWORK
  const callNamed = openOutgoing({ network, isVouchedFor: true })
  const seldom = openSeldom()
  const peers = openPeers({
    network,
    topics,
    hostsOf,
    self: { identityKey: identity.identityKey, addresses: [] },
    named: settings.ASSAY_PEERS,
    callNamed,
    call: outgoing,
    ask: askIdentity(identity, outgoing),
    mayBeUnproven: settings.ASSAY_PEERS_UNPROVEN,
    now: Date.now,
    onImpostor(impostor) {
      metrics.impostors.inc()
      seldom('impostors', leftOut =>
        log.warn(
          { ...impostor, leftOut },
          'an advert names a host that does not prove the key of the advert, and is no peer by it',
        ),
      )
    },
    peersMax: settings.ASSAY_PEERS_PER_TOPIC_MAX,
    onTrouble: error =>
      seldom('adverts', leftOut => log.warn({ err: error, leftOut }, 'the adverts of hosts cannot be read')),
  })
  await peers.start()
  stops.add('peers', () => peers.stop())
  return {
    peers,
    post: postToPeer(callNamed),
    startSync(overlay, chain) {
      const syncing = syncWithPeers({
        pool,
        now: Date.now,
        submit: overlay.submit,
        rootAt: height => chain.rootAt(height),
        peers: peers.all,
        intervalMs: settings.ASSAY_SYNC_MS,
        onJudged(_, judgements) {
          for (const { kind } of judgements) metrics.synced.inc({ outcome: kind })
        },
        onFailure(peer, error) {
          metrics.syncFailures.inc()
          seldom(peer, leftOut =>
            log.warn({ err: error, peer, leftOut }, 'a peer could not be asked for what was missed'),
          )
        },
      })
      stops.add('sync', syncing.stop)
      return syncing
    },
  }
}
