import type { Request, Router } from 'express'
import type { Pool } from 'pg'
import type { Chain } from '../adapters/chain/chain.ts'
import { headersOf } from '../adapters/reading/headers-of.ts'
import { openLineageStore } from '../adapters/reading/lineage-store.ts'
import { openManifestMemory } from '../adapters/reading/manifest-memory.ts'
import { clientAddress, networksOf } from '../http/ingest/client-address.ts'
import { lineageRoutes } from '../http/read/lineage-routes.ts'
import type { Reading } from '../http/read/reading.ts'
import type { Settings } from '../runtime/settings.ts'

export type NodeLineageDeps = {
  /** Of its own: whoever asks takes no connection from what comes in. */
  readonly pool: Pool
  readonly chain: Pick<Chain, 'network' | 'rootAt' | 'tip'>
  readonly reading: Reading
  onFailure(error: unknown, request: Request): void
}

export type LineageNodeSettings = Pick<
  Settings,
  'BUNDLE_MAX_DEPTH' | 'BUNDLE_VALIDATE' | 'POLICY_MIN_CONFS' | 'READY_VERSIONS_MAX' | 'TRUSTED_PROXY_CIDRS'
>

/** What a version descends from, and whether all of it is proven (D03, D04). */
export function openNodeLineage(
  settings: LineageNodeSettings,
  { pool, chain, reading, onFailure }: NodeLineageDeps,
): Router {
  const isProxy = networksOf(settings.TRUSTED_PROXY_CIDRS)
  return lineageRoutes({
    store: openLineageStore(pool, openManifestMemory()),
    headers: headersOf(pool, chain),
    policy: { confirmationsMin: settings.POLICY_MIN_CONFS, validates: settings.BUNDLE_VALIDATE },
    depthMax: settings.BUNDLE_MAX_DEPTH,
    versionsMax: settings.READY_VERSIONS_MAX,
    addressOf: request => clientAddress(request, isProxy),
    ...{ reading, onFailure },
  })
}
