import type { Request, Router } from 'express'
import { openRequestNonces } from '../adapters/auth/request-nonces.ts'
import type { Database } from '../adapters/postgres/database.ts'
import { openRoundParts } from '../adapters/round-parts/round-parts.ts'
import type { ContentStore } from '../adapters/uhrp/content-store.ts'
import { clientAddress, networksOf } from '../http/ingest/client-address.ts'
import { type RoundRouteLimits, roundRoutes } from '../http/round-routes.ts'

export type NodeRoundPartsDeps = {
  readonly database: Pick<Database, 'pool'>
  /** Identity key of the log whose rounds they are. */
  readonly logKey: string
  readonly content: Pick<ContentStore, 'open'>
  /** EVENT_SIGNATURE_TTL_SECONDS. */
  readonly signatureTtlSeconds?: number
  /** TRUSTED_PROXY_CIDRS: who may say where a request comes from. */
  readonly proxies?: readonly string[]
  readonly limits?: Partial<RoundRouteLimits>
  now(): number
  onFailure(error: unknown, request: Request): void
}

/** What agents fetch of rounds, to be mounted at ROUNDS_PATH. */
export function openNodeRoundParts(deps: NodeRoundPartsDeps): Router {
  const {
    database,
    logKey,
    content,
    now,
    onFailure,
    signatureTtlSeconds = 300,
    proxies = [],
    limits = {},
  } = deps
  const isProxy = networksOf(proxies)
  const { pool } = database
  return roundRoutes({
    parts: openRoundParts({ db: pool, content }),
    logKey,
    nonces: openRequestNonces(pool, now),
    addressOf: request => clientAddress(request, isProxy),
    ...{ signatureTtlSeconds, limits, now, onFailure },
  })
}
