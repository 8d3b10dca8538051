import type { Pool } from 'pg'
import { type CountsWatch, watchCounts } from '../adapters/log/watch-counts.ts'
import type { Log } from '../runtime/log.ts'
import type { Metrics } from '../runtime/metrics.ts'
import { openSeldom } from '../runtime/seldom.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'

/** Sees to it that every item is counted in one place, and says so where one is not. */
export function watchConservation(
  settings: Settings,
  { pool, log, metrics, stops }: { pool: Pool; log: Log; metrics: Metrics; stops: Stops },
): CountsWatch {
  const seldom = openSeldom()
  const watch = watchCounts({
    pool,
    everyMs: settings.CONSERVATION_CHECK_MS,
    onDiscrepancy: discrepancy =>
      log.error({ discrepancy }, 'the log does not add up; `assay doctor --deep` says more'),
    onFailure: error =>
      seldom('conservation', leftOut =>
        log.warn({ err: error, leftOut }, 'the log could not be counted; it is tried again'),
      ),
  })
  stops.add('counting of the log', watch.stop)
  metrics.gauge(
    'assay_conservation_discrepancies',
    'partitions whose log says otherwise than their counts',
    watch.discrepancies,
  )
  metrics.gauge('assay_quarantine_held', 'items that stand in quarantine', watch.held)
  metrics.gauge(
    'assay_conservation_certified_events',
    'accepted events in packets that have a version, by a quorum',
    () => watch.verdicts().certified,
  )
  metrics.gauge(
    'assay_conservation_split_events',
    'accepted events in packets that nobody agreed on, and that wait for a person',
    () => watch.verdicts().split,
  )
  metrics.gauge(
    'assay_conservation_in_flight_events',
    'accepted events that are neither certified nor split',
    () => watch.verdicts().inFlight,
  )
  return watch
}
