import type { Request, Router } from 'express'
import type { Chain } from '../adapters/chain/chain.ts'
import { openDeclarations } from '../adapters/declarations/declarations.ts'
import type { UnprovenBounds } from '../adapters/declarations/unproven.ts'
import type { Overlay } from '../adapters/overlay/overlay.ts'
import type { Database } from '../adapters/postgres/database.ts'
import { dlm1Routes } from '../http/dlm1-routes.ts'
import { clientAddress, networksOf } from '../http/ingest/client-address.ts'

export type NodeDeclarationsDeps = {
  readonly database: Pick<Database, 'pool'>
  readonly chain: Chain
  readonly overlay: Overlay
  /** TRUSTED_PROXY_CIDRS: who may say where a request comes from. */
  readonly proxies?: readonly string[]
  readonly bounds?: UnprovenBounds
  now(): number
  onFailure(error: unknown, request: Request): void
}

/** What others declare (D01, D02); to be mounted before the overlay's routes, as both have a `POST /submit`. */
export function openNodeDeclarations({
  database,
  chain,
  overlay,
  proxies = [],
  bounds,
  now,
  onFailure,
}: NodeDeclarationsDeps): Router {
  const declarations = openDeclarations(database.pool, chain, bounds)
  const isProxy = networksOf(proxies)
  const addressOf = (request: Request) => clientAddress(request, isProxy)
  return dlm1Routes({ declarations, overlay, chain, addressOf, now, onFailure })
}
