import type { Request, Router } from 'express'
import { openRequestNonces } from '../adapters/auth/request-nonces.ts'
import type { Database } from '../adapters/postgres/database.ts'
import { openRoundParts } from '../adapters/round-parts/round-parts.ts'
import type { ContentStore } from '../adapters/uhrp/content-store.ts'
import { roundRoutes } from '../http/round-routes.ts'

export type NodeRoundPartsDeps = {
  readonly database: Pick<Database, 'pool'>
  readonly content: Pick<ContentStore, 'open'>
  /** EVENT_SIGNATURE_TTL_SECONDS. */
  readonly signatureTtlSeconds?: number
  now(): number
  onFailure(error: unknown, request: Request): void
}

/** What agents fetch of rounds, to be mounted at ROUNDS_PATH. */
export function openNodeRoundParts(deps: NodeRoundPartsDeps): Router {
  const { database, content, now, onFailure, signatureTtlSeconds = 300 } = deps
  const { pool } = database
  return roundRoutes({
    parts: openRoundParts({ db: pool, content }),
    nonces: openRequestNonces(pool, now),
    signatureTtlSeconds,
    now,
    onFailure,
  })
}
