import type { Pool } from 'pg'
import { Counter } from 'prom-client'
import { startProjector } from '../adapters/projections/projector.ts'
import { readStanding } from '../adapters/projections/standing.ts'
import { keptFor } from '../runtime/kept-for.ts'
import type { Log } from '../runtime/log.ts'
import type { Metrics } from '../runtime/metrics.ts'
import { openSeldom } from '../runtime/seldom.ts'
import type { Stops } from '../runtime/stops.ts'

export type NodeProjectingDeps = {
  readonly pool: Pool
  readonly log: Log
  readonly metrics: Pick<Metrics, 'registry'>
  readonly stops: Stops
  now(): number
  /** How busy it is where projections must not be in the way, since it was asked last: 0 to 1. */
  busy(): number
}

/** So often, at most, the database is asked how far behind the projections are. */
const STANDING_MS = 1_000

/** Keeps the projections up with the log from now on. */
export function startNodeProjecting({ pool, log, metrics, stops, now, busy }: NodeProjectingDeps): void {
  const standing = keptFor(STANDING_MS, () => readStanding(pool))
  const seldom = openSeldom()
  const projected = new Counter({
    name: 'assay_projected_events_total',
    help: 'events that the projections have taken in',
    registers: [metrics.registry],
  })
  const projector = startProjector({
    pool,
    now,
    busy,
    behindEvents() {
      // Read for the next time that it is asked; a failure shows in the projector's own work.
      standing.read().catch(() => undefined)
      return standing.last()?.unprojectedEvents ?? 0
    },
    onProjected: events => projected.inc(events),
    onUnread: (partitionId, error) =>
      seldom(`unread ${partitionId}`, leftOut =>
        log.error({ err: error, partitionId, leftOut }, 'a partition of the log cannot be projected'),
      ),
    onFailure: error =>
      seldom('failure', leftOut =>
        log.warn({ err: error, leftOut }, 'the projections did not get on; they try again'),
      ),
  })
  stops.add('projections', projector.stop)
}
