import path from 'node:path'
import { performance } from 'node:perf_hooks'
import type { Pool } from 'pg'
import { type FindEvent, openFindEvent } from '../adapters/projections/find-event.ts'
import { type Projector, startProjector } from '../adapters/projections/projector.ts'
import { readSecretStanding } from '../adapters/projections/secret-standing.ts'
import { readStanding, readStreamBytes } from '../adapters/projections/standing.ts'
import type { HealthCheck } from '../http/health-routes.ts'
import { keptFor } from '../runtime/kept-for.ts'
import type { Log } from '../runtime/log.ts'
import type { Metrics } from '../runtime/metrics.ts'
import { openSeldom } from '../runtime/seldom.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'
import { ingestHealth } from './ingest-health.ts'
import { ingestGauges } from './ingest-metrics.ts'

export type NodeProjections = {
  readonly findEvent: FindEvent
  readonly checks: readonly HealthCheck[]
}

export type NodeProjectionsDeps = {
  readonly pool: Pool
  readonly log: Log
  readonly metrics: Metrics
  readonly stops: Stops
  now(): number
  /** What this process was offered and is not durable yet. */
  waiting(): { readonly events: number; readonly bytes: number }
  /** Of `ingestEvents`. */
  eventsPerSecond(): number
}

/** So often, at most, the database is asked for what a scrape shows. */
const STANDING_MS = 1_000
const STREAM_BYTES_MS = 60_000
const STREAMS_MAX = 500

/** Keeps the projections up with the log from now on, and tells how far behind the stages of ingest are. */
export function startNodeProjections(settings: Settings, deps: NodeProjectionsDeps): NodeProjections {
  const { pool, metrics, stops, now } = deps
  const standing = keptFor(STANDING_MS, () => readStanding(pool))
  const projector = start(deps, () => {
    // Read for the next time that it is asked; a failure shows in the projector's own work.
    standing.read().catch(() => undefined)
    return standing.last()?.unprojectedEvents ?? 0
  })
  stops.add('projections', projector.stop)
  ingestGauges({
    registry: metrics.registry,
    standing,
    streamBytes: keptFor(STREAM_BYTES_MS, () => readStreamBytes(pool, STREAMS_MAX)),
    waiting: deps.waiting,
    eventsPerSecond: deps.eventsPerSecond,
    now,
  })
  return {
    findEvent: openFindEvent(pool),
    checks: ingestHealth({
      standing: standing.read,
      secrets: () => readSecretStanding(pool),
      waiting: deps.waiting,
      contentFolder: settings.UHRP_DIR ?? path.join(settings.ASSAY_DATA_DIR, 'uhrp'),
      freeBytesMin: settings.UHRP_FREE_BYTES_MIN,
      now,
    }),
  }
}

function start({ pool, log, metrics, now }: NodeProjectionsDeps, behindEvents: () => number): Projector {
  const seldom = openSeldom()
  let before = performance.eventLoopUtilization()
  return startProjector({
    pool,
    now,
    behindEvents,
    busy() {
      const { utilization } = performance.eventLoopUtilization(before)
      before = performance.eventLoopUtilization()
      return utilization
    },
    onProjected: events => metrics.ingest.projected.inc(events),
    onUnread: (partitionId, error) =>
      seldom(`unread ${partitionId}`, leftOut =>
        log.error({ err: error, partitionId, leftOut }, 'a partition of the log cannot be projected'),
      ),
    onFailure: error =>
      seldom('failure', leftOut =>
        log.warn({ err: error, leftOut }, 'the projections did not get on; they try again'),
      ),
  })
}
