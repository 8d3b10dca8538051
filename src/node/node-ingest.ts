import type { Outgoing } from '../adapters/outgoing/outgoing.ts'
import type { Database } from '../adapters/postgres/database.ts'
import type { FindEvent } from '../adapters/projections/find-event.ts'
import type { ContentStore } from '../adapters/uhrp/content-store.ts'
import type { HealthCheck } from '../http/health-routes.ts'
import type { Quarantine } from '../http/quarantine-routes.ts'
import type { Accept, PushBack } from '../ingest/arrived.ts'
import { openClock } from '../runtime/clock.ts'
import { ingestEvents } from '../runtime/ingest-events.ts'
import type { Log } from '../runtime/log.ts'
import type { Metrics } from '../runtime/metrics.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'
import { logPayloads } from './log-payloads.ts'
import type { NodeConsensus } from './node-consensus.ts'
import { watchConservation } from './node-conservation.ts'
import { openNodeLog } from './node-log.ts'
import { startNodeOverlayIngest } from './node-overlay-ingest.ts'
import { openNodePackets } from './node-packets.ts'
import { openNodePressure } from './node-pressure.ts'
import { startNodeProjections } from './node-projections.ts'
import { openNodeQuarantine } from './node-quarantine.ts'
import { type NodeRegistry, openNodeRegistry } from './node-registry.ts'

/** From what publishers send to packets, and all that looks after it. */
export type NodeIngest = {
  readonly registry: NodeRegistry
  readonly accept: Accept
  readonly pushBack: PushBack
  readonly quarantine: Quarantine
  readonly findEvent: FindEvent
  readonly checks: readonly HealthCheck[]
  now(): number
}

export type NodeIngestDeps = {
  readonly database: Database
  readonly outgoing: Outgoing
  readonly store: ContentStore
  readonly logKey: string
  /** What becomes of packets. */
  readonly consensus?: Pick<NodeConsensus, 'backlog' | 'isSettled' | 'onPacket'>
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
    ...{ database, registry, store, log, metrics, stops, now },
    operators: settings.EVENT_OPERATORS,
    ...consensus,
  })
  const events = ingestEvents(metrics, now)

  const opened = openNodeLog(settings, {
    ...{ database, registry, logKey, now, log, stops },
    begin: packets.begin,
    onAppended(offers, outcomes) {
      events.onAppended(offers, outcomes)
      packets.wake()
    },
  })
  const { waiting } = opened.log
  const projections = startNodeProjections(settings, {
    ...{ pool, log, metrics, stops, now, waiting },
    eventsPerSecond: events.eventsPerSecond,
  })

  const accept = logPayloads(opened.accept, settings, log)
  startNodeOverlayIngest({
    ...{ database, outgoing: deps.outgoing, registry, accept, store, log, metrics, stops },
    append: opened.log.append,
  })
  watchConservation(settings, { pool, log, metrics, stops })
  const pressure = await openNodePressure(settings, { pool, waiting, log, metrics, stops })
  return {
    registry: registered,
    accept,
    pushBack: pressure.pushBack,
    quarantine: openNodeQuarantine({ pool, registry, accept, now }),
    findEvent: projections.findEvent,
    checks: projections.checks,
    now,
  }
}
