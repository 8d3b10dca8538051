import { randomUUID } from 'node:crypto'
import type { Server } from 'node:http'
import type { Request } from 'express'
import type { Chain } from '../adapters/chain/chain.ts'
import type { OpenFuel } from '../adapters/fuel/open-fuel.ts'
import type { Outgoing } from '../adapters/outgoing/outgoing.ts'
import type { Database } from '../adapters/postgres/database.ts'
import { openRoundStore } from '../adapters/rounds/round-store.ts'
import type { ContentStore } from '../adapters/uhrp/content-store.ts'
import { baseTopics } from '../contract/names.ts'
import { ROUNDS_PATH } from '../contract/round-locations.ts'
import type { NodeAppParts } from '../http/app.ts'
import type { Jobs } from '../http/job-routes.ts'
import type { Mode } from '../jobs/mode.ts'
import { crashPoint } from '../runtime/crash-point.ts'
import type { Log } from '../runtime/log.ts'
import type { Metrics } from '../runtime/metrics.ts'
import { repeat } from '../runtime/repeat.ts'
import { openSeldom } from '../runtime/seldom.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'
import { openNodeAgents } from './node-agents.ts'
import { openNodeCertify } from './node-certify.ts'
import { openNodeJobs } from './node-jobs.ts'
import type { NodeKeys } from './node-keys.ts'
import { openNodeOutside } from './node-outside.ts'
import { openNodeRoundParts } from './node-round-parts.ts'
import { openNodeRounds, packetRetryMs } from './node-rounds.ts'

/** From sealed packets to certificates that a block holds: rounds, the agents that are asked, and what they agree on. */
export type NodeConsensus = {
  /** Whether a packet has its verdict, so that its events need not be in the log any more. */
  isSettled(packetId: string): Promise<boolean>
  /** Whether agents are asked, and what is done while they are not. */
  mode(): Mode
  /** All of it, as people see it. */
  readonly jobs: Jobs
  onPacket(): void
  /** The network has one of our transactions, or will not have it. */
  onSeen(txid: string): void
  /** The network has a transaction that spends outputs of these. */
  onNetworkHas(spent: readonly string[]): void
  onAdmitted(topics: readonly string[]): void
  routes(frame: { onFailure(error: unknown, request: Request): void }): NodeAppParts['routes']
  upgrade(server: Server): void
}

export type NodeConsensusDeps = {
  readonly database: Database
  readonly fuel: OpenFuel
  readonly chain: Chain
  readonly store: ContentStore
  readonly keys: NodeKeys
  readonly outgoing: Outgoing
  /** Where agents reach this node; undefined while nobody knows. */
  address(): string | undefined
  readonly log: Log
  readonly metrics: Metrics
  readonly stops: Stops
  now(): number
}

const EVIDENCE_MS = 10_000

/** Where agents say that they are there. */
const ofAgents: ReadonlySet<string> = new Set([baseTopics.agents, baseTopics.ship])

export async function openNodeConsensus(settings: Settings, deps: NodeConsensusDeps): Promise<NodeConsensus> {
  const { database, fuel, chain, store, keys, address, log, metrics, stops, now } = deps
  const agents = await openNodeAgents(settings, deps)
  const seldom = openSeldom()
  const asksOutside = settings.CERTIFIER_WEBHOOK_URL !== undefined
  const rounds = openRoundStore({
    pool: database.pool,
    ...{ fuel, now },
    checkWork: agents.checkWork,
    log: keys.log.identityKey,
    coordinator: randomUUID(),
    operators: settings.EVENT_OPERATORS,
    retryMs: packetRetryMs(settings),
    asksOutside,
    onUnreadable: (error, resultTxid) =>
      seldom(resultTxid, leftOut =>
        log.error(
          { err: error, resultTxid, leftOut },
          'what an agent has stored here cannot be read; its answer waits, and counts for nothing until then. Look at the disk under UHRP_DIR',
        ),
      ),
    at: crashPoint,
  })
  const nodeCertify = openNodeCertify(settings, {
    ...{ database, fuel, chain, keys, log, metrics, stops, now },
    content: store,
    onLost: () => nodeRounds.wake('news'),
  })
  const nodeRounds = openNodeRounds(settings, {
    ...{ keys, fuel, address, log, metrics, stops, now },
    store: rounds,
    directory: agents.directory,
    offers: agents.offers,
    handedOver: nodeCertify.handedOver,
  })
  openNodeOutside(settings, { database, content: store, keys, log, stops, now })
  const onUnnoted = (error: unknown) =>
    log.warn({ err: error }, 'what speaks against agents could not be taken down; it is tried again')
  // Each by itself: one that fails time and again must not keep the others from ever being looked at.
  const note = async () => {
    await rounds.takeStragglers().catch(onUnnoted)
    await rounds.noteDoubleSpends().catch(onUnnoted)
    await rounds.noteCertifiedTwice().catch(onUnnoted)
  }
  const noting = repeat(note, { everyMs: EVIDENCE_MS, onFailure: onUnnoted })
  stops.add('evidence against agents', noting.stop)
  return {
    isSettled: rounds.isSettled,
    mode: nodeRounds.mode,
    jobs: openNodeJobs({ pool: database.pool, content: store, reopen: rounds.reopen, now }),
    onPacket: () => nodeRounds.wake('packet'),
    onSeen(txid) {
      nodeRounds.wake('news')
      nodeCertify.onSeen(txid)
    },
    // An answer counts once the network has it.
    onNetworkHas: spent => nodeRounds.answered(spent),
    onAdmitted(topics) {
      if (topics.some(topic => ofAgents.has(topic))) agents.onAdmitted(topics)
    },
    routes: ({ onFailure }) => [
      agents.routes({ onFailure }),
      [
        ROUNDS_PATH,
        openNodeRoundParts({
          ...{ database, now, onFailure },
          content: store,
          logKey: keys.log.identityKey,
          signatureTtlSeconds: settings.EVENT_SIGNATURE_TTL_SECONDS,
          proxies: settings.TRUSTED_PROXY_CIDRS,
        }),
      ],
    ],
    upgrade: agents.upgrade,
  }
}
