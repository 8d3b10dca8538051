import path from 'node:path'
import type { Request, Router } from 'express'
import type { Pool } from 'pg'
import type { Database } from '../adapters/postgres/database.ts'
import { startAdvertising } from '../adapters/uhrp/advertise-wanted.ts'
import type { Adverts } from '../adapters/uhrp/adverts.ts'
import { type ContentStore, type ContentStoreDeps, openContentStore } from '../adapters/uhrp/content-store.ts'
import { seatInOverlay } from '../adapters/uhrp/may-upload.ts'
import { type Swept, startSweep, sweepBounds } from '../adapters/uhrp/sweep.ts'
import type { Authentication } from '../http/authentication.ts'
import { uhrpRoutes } from '../http/uhrp-routes.ts'
import type { Log } from '../runtime/log.ts'
import type { Metrics } from '../runtime/metrics.ts'
import { openSeldom } from '../runtime/seldom.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'

/** Content by its hash: the store, what keeps it in order, and its routes. */
export type NodeStorage = {
  readonly store: ContentStore
  routes(doors: StorageDoors): Router
  /** Tells the overlay what is stored here, and served at this address, from now on until the node stops. */
  advertise(adverts: Adverts, address: string): void
}

export type StorageDoors = {
  readonly authentication: Authentication
  /** Where others reach this node. */
  address(): string
  onFailure(error: unknown, request: Request): void
}

export type StoreSettings = Pick<
  Settings,
  'ASSAY_DATA_DIR' | 'UHRP_DIR' | 'UHRP_OBJECT_BYTES_MAX' | 'UHRP_FREE_BYTES_MIN'
>

/** The store alone, of which a process may have several. */
export function openNodeStore(
  settings: StoreSettings,
  pool: Pool,
  onTrouble: ContentStoreDeps['onTrouble'],
): Promise<ContentStore> {
  return openContentStore({
    pool,
    directory: storeFolder(settings),
    bounds: {
      objectBytesMax: settings.UHRP_OBJECT_BYTES_MAX,
      freeBytesMin: settings.UHRP_FREE_BYTES_MIN,
    },
    now: Date.now,
    onTrouble,
  })
}

/** Where objects are, in a folder for each database. */
export function storeFolder({
  UHRP_DIR,
  ASSAY_DATA_DIR,
}: Pick<Settings, 'UHRP_DIR' | 'ASSAY_DATA_DIR'>): string {
  return UHRP_DIR ?? path.join(ASSAY_DATA_DIR, 'uhrp')
}

export async function openNodeStorage(
  settings: Settings,
  { pool }: Database,
  { log, metrics, stops }: { log: Log; metrics: Metrics; stops: Stops },
): Promise<NodeStorage> {
  const onSwept = (what: Swept, sha256: string) => {
    metrics.uhrpSwept.inc({ what })
    const isTrouble = what === 'lost' || what === 'corrupt'
    if (isTrouble)
      log.error({ sha256, what }, 'a stored object cannot be served any more; store it again to heal it')
    else log.info({ sha256, what }, 'removed from the store')
  }
  const store = await openNodeStore(settings, pool, (sha256, trouble) => onSwept(trouble, sha256))
  const stopSweep = startSweep(
    { pool, folder: store.folder, bounds: sweepBounds, now: Date.now, onSwept },
    error => log.error({ err: error }, 'the store could not be swept; it is tried again'),
  )
  stops.add('sweep of stored content', stopSweep)
  return {
    store,
    routes: ({ authentication, address, onFailure }) =>
      uhrpRoutes({
        pool,
        store,
        mayUpload: seatInOverlay({
          db: pool,
          coordinators: settings.EVENT_COORDINATORS,
          quotaBytes: settings.UHRP_QUOTA_BYTES,
          now: Date.now,
        }),
        authentication,
        uploaders: settings.UHRP_UPLOADERS.includes('any') ? 'any' : new Set(settings.UHRP_UPLOADERS),
        quotaBytes: settings.UHRP_QUOTA_BYTES,
        limits: { objectBytesMax: settings.UHRP_OBJECT_BYTES_MAX },
        publicUrl: address,
        now: Date.now,
        onFailure,
      }),
    advertise(adverts, address) {
      const seldom = openSeldom()
      const advertising = startAdvertising({
        pool,
        adverts,
        now: Date.now,
        urlOf: sha256 => `${address}/uhrp/${sha256}`,
        onFailure(sha256, error) {
          metrics.uhrpUnadvertised.inc()
          seldom(sha256, leftOut =>
            log.warn(
              { err: error, sha256, leftOut },
              'an advert of stored content failed; it is tried again',
            ),
          )
        },
      })
      stops.add('adverts of stored content', advertising.stop)
    },
  }
}
