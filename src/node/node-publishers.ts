import { randomBytes } from 'node:crypto'
import type { Request } from 'express'
import type { ChangeDeps } from '../adapters/registry/changing.ts'
import type { NodeAppParts } from '../http/app.ts'
import type { Authentication } from '../http/authentication.ts'
import type { OwnQuarantine } from '../http/publishers/own-quarantine.ts'
import { publisherRoutes } from '../http/publishers/publisher-routes.ts'
import type { Metrics } from '../runtime/metrics.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'
import { openDryRuns } from './dry-runs.ts'
import { publisherMetrics } from './publisher-metrics.ts'

export type NodePublishersDeps = {
  readonly changes: ChangeDeps
  readonly quarantine: OwnQuarantine
  readonly authentication: Authentication
  readonly metrics: Metrics
  readonly stops: Stops
  onFailure(error: unknown, request: Request): void
}

type PublisherSettings = Pick<
  Settings,
  | 'ASSAY_NETWORK'
  | 'PUBLISHERS'
  | 'PUBLISHERS_MAX'
  | 'PUBLISHER_FEEDS_MAX'
  | 'PUBLISHER_FEEDS_PER_IDENTITY_MAX'
  | 'PUBLISHER_STREAMS_MAX'
  | 'PUBLISHER_STREAMS_PER_IDENTITY_MAX'
  | 'PUBLISHER_CHANGES_PER_DAY_MAX'
  | 'PUBLISHER_LIMITS_JSON'
>

/** What publishers do by themselves: feeds, streams, keys and policies of their own. */
export function openNodePublishers(
  settings: PublisherSettings,
  { changes, quarantine, authentication, metrics, stops, onFailure }: NodePublishersDeps,
): NodeAppParts['routes'][number] {
  const { pool, now } = changes
  const dryRuns = openDryRuns()
  stops.add('trying policies', dryRuns.stop)
  const common = { changes, changesPerDayMax: settings.PUBLISHER_CHANGES_PER_DAY_MAX }
  return publisherRoutes({
    ...{ authentication, pool, quarantine, now, onFailure },
    feeds: {
      ...common,
      ceiling: settings.PUBLISHER_LIMITS_JSON,
      streamsMax: settings.PUBLISHER_STREAMS_MAX,
      streamsPerIdentityMax: settings.PUBLISHER_STREAMS_PER_IDENTITY_MAX,
      feedsPerIdentityMax: settings.PUBLISHER_FEEDS_PER_IDENTITY_MAX,
      feedsMax: settings.PUBLISHER_FEEDS_MAX,
      random: bytes => Uint8Array.from(randomBytes(bytes)),
    },
    producers: { ...common, producersMax: settings.PUBLISHERS_MAX },
    mayRegister: mayRegisterUnder(settings),
    tryPolicy: dryRuns.tryPolicy,
    ...publisherMetrics(metrics.registry, pool),
  })
}

/** Where something is at stake, nobody registers whom the operator has not named. */
export function mayRegisterUnder({
  PUBLISHERS,
  ASSAY_NETWORK,
}: Pick<Settings, 'PUBLISHERS' | 'ASSAY_NETWORK'>) {
  if (Array.isArray(PUBLISHERS)) return (identityKey: string) => PUBLISHERS.includes(identityKey)
  const isOpen = PUBLISHERS === 'open' || (PUBLISHERS === '' && ASSAY_NETWORK === 'local')
  return () => isOpen
}
