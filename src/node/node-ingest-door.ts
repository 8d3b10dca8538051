import { standingHeaders } from '../http/app.ts'
import { type IngestDoor, type IngestDoorDeps, openIngestDoor } from '../http/ingest/door.ts'
import type { IngestDoorEvents } from '../http/ingest/ingest-events.ts'
import type { Log } from '../runtime/log.ts'
import type { Metrics } from '../runtime/metrics.ts'
import { openSeldom } from '../runtime/seldom.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'

export type NodeIngestDoorDeps = Pick<
  IngestDoorDeps,
  'registry' | 'accept' | 'pushBack' | 'authentication' | 'pool' | 'now'
> & {
  /** Told which sources have sent something. */
  noteActivity(sourceIds: Iterable<string>): void
  readonly log: Log
  readonly metrics: Metrics
  readonly stops: Stops
}

/** Where events come in over HTTP. Its `handle` goes ahead of the app, and its routes into the app. */
export function openNodeIngestDoor(settings: Settings, deps: NodeIngestDoorDeps): IngestDoor {
  const door = openIngestDoor({
    ...deps,
    settings: {
      enabled: settings.EVENT_INGESTION_ENABLED,
      identityRequired: settings.EVENT_IDENTITY_VERIFICATION_REQUIRED,
      signatureTtlSeconds: settings.EVENT_SIGNATURE_TTL_SECONDS,
      allowlist: settings.INGEST_ALLOWLIST_CIDRS,
      trustedProxies: settings.TRUSTED_PROXY_CIDRS,
      routeLimits: settings.INGEST_ROUTE_LIMITS_JSON,
    },
    limits: { bodyBytesMax: settings.INGEST_BODY_BYTES_MAX },
    headers: standingHeaders(settings.ASSAY_NETWORK),
    events: doorEvents(deps),
  })
  deps.stops.add('door of events', door.stop)
  return door
}

function doorEvents({ log, metrics, noteActivity }: NodeIngestDoorDeps): IngestDoorEvents {
  const seldom = openSeldom()
  return {
    onAnswered: ({ sourceId }) => noteActivity([sourceId]),
    onRefused({ code, detail, address }) {
      metrics.ingestRefused.inc({ code })
      // A publisher asks its operator what is wrong, and a stranger must not fill the log.
      seldom(code, leftOut =>
        log.info({ code, detail, address, leftOut }, 'a request with events was refused'),
      )
    },
    onFailure(error, path) {
      metrics.errors.inc()
      log.error({ err: error, method: 'POST', path }, 'a request failed')
    },
    onSweepFailure: error =>
      log.warn({ err: error }, 'nonces of signed requests could not be swept; it is tried again soon'),
  }
}
