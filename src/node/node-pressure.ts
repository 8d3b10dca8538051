import path from 'node:path'
import type { Pool } from 'pg'
import { openPressure, type Pressure, pressureBounds } from '../adapters/pressure/pressure.ts'
import type { Log } from '../runtime/log.ts'
import type { Metrics } from '../runtime/metrics.ts'
import { openSeldom } from '../runtime/seldom.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'

export type NodePressureDeps = {
  readonly pool: Pool
  /** What has been offered to the log and is not durable yet. */
  waiting(): { readonly events: number; readonly bytes: number }
  readonly log: Log
  readonly metrics: Metrics
  readonly stops: Stops
}

/** Whether this node takes in more, as far as its backlog and its disks are asked. */
export async function openNodePressure(settings: Settings, deps: NodePressureDeps): Promise<Pressure> {
  const { pool, waiting, log, metrics, stops } = deps
  const seldom = openSeldom()
  const pressure = await openPressure({
    pool,
    folders: growingFolders(settings),
    waiting,
    bounds: {
      ...pressureBounds,
      unpackedEventsMax: settings.INGEST_BACKLOG_EVENTS_MAX,
      freeBytesMin: settings.INGEST_FREE_BYTES_MIN,
    },
    onChange({ backlog, disk }, load) {
      if (backlog || disk)
        log.error({ backlog, disk, ...load }, 'nothing more is taken in until there is room')
      else log.info(load, 'there is room again: what comes is taken in')
    },
    onPushBack: why => metrics.pushedBack.inc({ why }),
    onFailure: error =>
      seldom('pressure', leftOut =>
        log.warn({ err: error, leftOut }, 'the backlog could not be measured; the last measure stands'),
      ),
  })
  stops.add('measuring of the backlog', pressure.stop)
  metrics.gauge(
    'assay_ingest_unpacked_events',
    'durable events that are in no packet yet',
    () => pressure.load().unpackedEvents,
  )
  metrics.gauge(
    'assay_ingest_free_bytes',
    'what is free of the disk that has the least',
    () => pressure.load().freeBytes,
  )
  return pressure
}

/** Of another PostgreSQL's disk this process knows nothing. */
export function growingFolders({ ASSAY_DATA_DIR, UHRP_DIR, DATABASE_URL }: Settings): string[] {
  const content = UHRP_DIR ?? path.join(ASSAY_DATA_DIR, 'uhrp')
  return DATABASE_URL === undefined ? [ASSAY_DATA_DIR, content] : [content]
}
