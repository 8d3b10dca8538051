import { performance } from 'node:perf_hooks'
import type { Head } from '../adapters/log/heads.ts'
import type { Outgoing } from '../adapters/outgoing/outgoing.ts'
import type { Database } from '../adapters/postgres/database.ts'
import type { FindEvent } from '../adapters/projections/find-event.ts'
import type { Registry } from '../adapters/registry/registry.ts'
import type { ContentStore } from '../adapters/uhrp/content-store.ts'
import type { HealthCheck } from '../http/health-routes.ts'
import type { Accept, PushBack } from '../ingest/arrived.ts'
import { openClock } from '../runtime/clock.ts'
import { ingestEvents } from '../runtime/ingest-events.ts'
import type { Log } from '../runtime/log.ts'
import type { Metrics } from '../runtime/metrics.ts'
import type { Settings } from '../runtime/settings.ts'
import type { ShownMetrics } from '../runtime/shown-metrics.ts'
import type { Stops } from '../runtime/stops.ts'
import { followInThread } from './follow-in-thread.ts'
import { type LogFollowers, startLogFollowers } from './log-followers.ts'
import { logPayloads } from './log-payloads.ts'
import type { NodeConsensus } from './node-consensus.ts'
import { watchConservation } from './node-conservation.ts'
import { openNodeLog } from './node-log.ts'
import { startNodeOverlayIngest } from './node-overlay-ingest.ts'
import { openNodePackets } from './node-packets.ts'
import { openNodePressure } from './node-pressure.ts'
import { openNodeProjections } from './node-projections.ts'
import { type NodeQuarantine, openNodeQuarantine } from './node-quarantine.ts'
import { type NodeRegistry, openNodeRegistry } from './node-registry.ts'

/** From what publishers send to packets, and all that looks after it. */
export type NodeIngest = {
  readonly registry: NodeRegistry
  readonly accept: Accept
  readonly pushBack: PushBack
  readonly quarantine: NodeQuarantine
  readonly findEvent: FindEvent
  readonly checks: readonly HealthCheck[]
  /** Of what follows the log in a thread of its own. */
  readonly followers: ShownMetrics | undefined
  now(): number
}

export type NodeIngestDeps = {
  readonly database: Database
  /** Where the log is followed in a thread of its own, which opens the database for itself; else it is in this one. */
  readonly databaseUrl?: string
  readonly outgoing: Outgoing
  readonly store: ContentStore
  readonly logKey: string
  /** What becomes of packets. */
  readonly consensus?: Pick<NodeConsensus, 'isSettled' | 'mode' | 'onPacket'>
  /** Told of every append, with the heads of its partitions. */
  onAppended?(heads: readonly Head[]): void
  readonly log: Log
  readonly metrics: Metrics
  readonly stops: Stops
}

export async function openNodeIngest(settings: Settings, deps: NodeIngestDeps): Promise<NodeIngest> {
  const { database, store, logKey, consensus, log, metrics, stops } = deps
  const { pool } = database
  const now = openClock(settings.ASSAY_CLOCK_OFFSET_MS)
  const registered = await openNodeRegistry(settings, { database, log, stops })
  const { registry } = registered
  const packets = await openNodePackets(settings, {
    ...{ database, store, log, stops, now },
    ...consensus,
  })
  const followers = await startFollowers(settings, deps, registry)
  const events = ingestEvents(metrics, now)

  const opened = openNodeLog(settings, {
    ...{ database, registry, logKey, now, log, stops },
    begin: packets.begin,
    onAppended(offers, outcomes, heads) {
      events.onAppended(offers, outcomes)
      deps.onAppended?.(heads)
      followers.wake()
    },
  })
  const { waiting } = opened.log
  const projections = openNodeProjections(settings, {
    ...{ pool, metrics, now, waiting },
    eventsPerSecond: events.eventsPerSecond,
  })

  const accept = logPayloads(opened.accept, settings, log)
  watchConservation(settings, { pool, log, metrics, stops })
  const pressure = await openNodePressure(settings, { pool, waiting, log, metrics, stops })
  startNodeOverlayIngest({
    ...{ database, outgoing: deps.outgoing, registry, accept, store, now, log, metrics, stops },
    append: opened.log.append,
    strangers: settings.PUBLISHER_LIMITS_JSON,
    isFull: () => pressure.pushBack.why() !== undefined,
  })
  return {
    registry: registered,
    accept,
    pushBack: pressure.pushBack,
    quarantine: openNodeQuarantine({
      ...{ pool, registry, accept, now },
      pushBack: pressure.pushBack,
      enabled: settings.EVENT_INGESTION_ENABLED,
    }),
    findEvent: projections.findEvent,
    checks: projections.checks,
    followers: followers.metrics,
    now,
  }
}

async function startFollowers(
  settings: Settings,
  { database, databaseUrl, store, logKey, consensus, log, metrics, stops }: NodeIngestDeps,
  registry: Registry,
): Promise<LogFollowers & { readonly metrics?: ShownMetrics }> {
  const certified = { logKey: consensus === undefined ? undefined : logKey, ...consensus }
  if (databaseUrl !== undefined) return followInThread(settings, { databaseUrl, log, stops, ...certified })
  return startLogFollowers(settings, {
    ...{ database, registry, store, log, metrics, stops, ...certified },
    operators: settings.EVENT_OPERATORS,
    now: openClock(settings.ASSAY_CLOCK_OFFSET_MS),
    busy: openLoopBusy(),
  })
}

/** How busy this thread was since it was asked last. */
function openLoopBusy(): () => number {
  let before = performance.eventLoopUtilization()
  return () => {
    const { utilization } = performance.eventLoopUtilization(before)
    before = performance.eventLoopUtilization()
    return utilization
  }
}
