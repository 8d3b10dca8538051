import path from 'node:path'
import type { Pool } from 'pg'
import { type FindEvent, openFindEvent } from '../adapters/projections/find-event.ts'
import { readSecretStanding } from '../adapters/projections/secret-standing.ts'
import { readStanding, readStreamBytes } from '../adapters/projections/standing.ts'
import type { HealthCheck } from '../http/health-routes.ts'
import { keptFor } from '../runtime/kept-for.ts'
import type { Metrics } from '../runtime/metrics.ts'
import type { Settings } from '../runtime/settings.ts'
import { ingestHealth } from './ingest-health.ts'
import { ingestGauges } from './ingest-metrics.ts'

export type NodeProjections = {
  readonly findEvent: FindEvent
  readonly checks: readonly HealthCheck[]
}

export type NodeProjectionsDeps = {
  readonly pool: Pool
  readonly metrics: Metrics
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

/** What is asked of the projections, and how far behind the stages of ingest are. */
export function openNodeProjections(settings: Settings, deps: NodeProjectionsDeps): NodeProjections {
  const { pool, metrics, now } = deps
  const standing = keptFor(STANDING_MS, () => readStanding(pool))
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
