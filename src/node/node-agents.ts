import { randomUUID } from 'node:crypto'
import type { Server } from 'node:http'
import type { Request, Router } from 'express'
import { openCheckWork } from '../adapters/agents/check-work.ts'
import {
  type ListedAgent,
  type OpenDirectory,
  openDirectory,
  REPUTATION_MAX,
} from '../adapters/agents/directory.ts'
import { openJobBeef } from '../adapters/agents/job-beef.ts'
import { startLookingAfter } from '../adapters/agents/look-after.ts'
import { noteIndependence } from '../adapters/agents/note-independence.ts'
import { startPushing } from '../adapters/agents/push-offers.ts'
import { openSeatOffers } from '../adapters/agents/seat-offers.ts'
import { openSponsor } from '../adapters/agents/sponsor.ts'
import { openSubscriptions } from '../adapters/agents/subscriptions.ts'
import type { Fuel } from '../adapters/fuel/fuel.ts'
import { inUse } from '../adapters/keys/keyring.ts'
import type { Outgoing } from '../adapters/outgoing/outgoing.ts'
import type { Database } from '../adapters/postgres/database.ts'
import type { CheckWork } from '../adapters/rounds/check-work.ts'
import type { ContentStore } from '../adapters/uhrp/content-store.ts'
import { SUBSCRIBE_PATH } from '../contract/subscription.ts'
import { reputationOf } from '../core/rounds/coordinating/reputation.ts'
import { agentRoutes, type ShownAgent } from '../http/agent-routes.ts'
import { clientAddress, networksOf } from '../http/ingest/client-address.ts'
import { serveUpgrades } from '../http/serve-upgrades.ts'
import type { SeatOffers } from '../jobs/ports.ts'
import { crashPoint } from '../runtime/crash-point.ts'
import type { Log } from '../runtime/log.ts'
import type { Metrics } from '../runtime/metrics.ts'
import { openSeldom } from '../runtime/seldom.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'
import type { NodeKeys } from './node-keys.ts'

/** The agents around this node: who they are, how seats reach them, and what they store. */
export type NodeAgents = {
  readonly directory: OpenDirectory
  readonly offers: SeatOffers
  readonly checkWork: CheckWork
  routes(frame: { onFailure(error: unknown, request: Request): void }): Router
  /** Takes the connections of agents without a public address. */
  upgrade(server: Server): void
  /** Adverts or results were admitted to these topics. */
  onAdmitted(topics: readonly string[]): void
}

export type NodeAgentsDeps = {
  readonly database: Pick<Database, 'pool'>
  readonly fuel: Pick<Fuel, 'write' | 'history'>
  readonly store: ContentStore
  readonly keys: NodeKeys
  readonly outgoing: Outgoing
  readonly log: Log
  readonly metrics: Metrics
  readonly stops: Stops
  now(): number
}

export async function openNodeAgents(
  settings: Pick<
    Settings,
    | 'ASSAY_NETWORK'
    | 'EVENT_OPERATORS'
    | 'EVENT_OPERATORS_SIMULATED'
    | 'EVENT_JOB_RETRY_MAX'
    | 'TRUSTED_PROXY_CIDRS'
  >,
  { database: { pool }, fuel, store, keys, outgoing, log, stops, now }: NodeAgentsDeps,
): Promise<NodeAgents> {
  const seldom = openSeldom()
  const onFailure = (part: string) => (error: unknown) =>
    seldom(part, leftOut => log.warn({ err: error, leftOut }, `${part} failed, and goes on by itself`))
  const allowLocal = settings.ASSAY_NETWORK === 'local'
  const operators = settings.EVENT_OPERATORS
  await noteIndependence(pool, operators, settings.EVENT_OPERATORS_SIMULATED ? 'simulated' : 'claimed', now())
  const directory = openDirectory({
    ...{ pool, allowLocal, operators, now },
    reputationOf: (record, nowMs) => reputationOf(record, nowMs).score,
    onFailure: onFailure('reading the adverts of agents'),
  })
  await directory.start()
  stops.add('directory of agents', directory.stop)
  const jobBeef = openJobBeef(fuel)
  const isProxy = networksOf(settings.TRUSTED_PROXY_CIDRS)
  const subscriptions = openSubscriptions({
    addressOf: request => clientAddress(request, isProxy),
    listed: () => new Set(directory.listed().map(({ agentKey }) => agentKey)),
    ...{ pool, now, node: randomUUID(), identity: inUse(keys.node) },
    onChange() {
      directory.wake()
      pushing.wake()
    },
    onFailure: onFailure('a subscription of an agent'),
  })
  const pushing = startPushing({
    ...{ pool, jobBeef, subscriptions, now, at: crashPoint },
    triesMax: settings.EVENT_JOB_RETRY_MAX,
    onFailure: onFailure('offering seats over connections'),
  })
  stops.add('subscriptions of agents', subscriptions.stop)
  stops.add('offers over connections', pushing.stop)
  const looking = startLookingAfter({
    ...{ pool, outgoing, now },
    agents: directory.listed,
    onChange: directory.wake,
    onFailure: onFailure('looking after agents'),
  })
  stops.add('looking after agents', looking.stop)
  const offers = openSeatOffers({
    ...{ pool, outgoing, jobBeef, now, at: crashPoint },
    onDue: pushing.wake,
  })
  const sponsor = openSponsor({
    ...{ pool, fuel, allowLocal, operators, now },
    beefOf: jobBeef,
    at: crashPoint,
    onAdvert: directory.wake,
  })
  return {
    directory,
    offers,
    checkWork: openCheckWork({ pool, store, at: crashPoint }),
    routes: ({ onFailure }) =>
      agentRoutes({
        sponsor,
        agents: () => directory.listed().map(agent => shownAgent(agent, now())),
        onFailure,
      }),
    upgrade: server => serveUpgrades(server, SUBSCRIBE_PATH, subscriptions.take),
    onAdmitted: () => directory.wake(),
  }
}

/** Whoever has shown nothing yet is no worse for it. */
function shownAgent(agent: ListedAgent, nowMs: number): ShownAgent {
  const { agentKey, word, stages, record, region, satoshisPerThousandEvents } = agent
  const { reachable, latencyMs, expiresMs, health } = agent
  return {
    ...{
      agentKey,
      operator: word.operator,
      independence: agent.independence,
      stages,
      satoshisPerThousandEvents,
      reachable,
      latencyMs,
      expiresMs,
    },
    reputation: record === null ? { score: REPUTATION_MAX, terms: [] } : reputationOf(record, nowMs),
    region: region ?? null,
    health: health ?? null,
  }
}
