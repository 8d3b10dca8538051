import type { Request, Router } from 'express'
import type { Chain } from '../adapters/chain/chain.ts'
import { openDeclarations } from '../adapters/declarations/declarations.ts'
import type { Overlay } from '../adapters/overlay/overlay.ts'
import type { Database } from '../adapters/postgres/database.ts'
import { dlm1Routes } from '../http/dlm1-routes.ts'

export type NodeDeclarationsDeps = {
  readonly database: Pick<Database, 'pool'>
  readonly chain: Chain
  readonly overlay: Overlay
  now(): number
  onFailure(error: unknown, request: Request): void
}

/** What others declare (D01, D02); to be mounted before the overlay's routes, as both have a `POST /submit`. */
export function openNodeDeclarations({
  database,
  chain,
  overlay,
  now,
  onFailure,
}: NodeDeclarationsDeps): Router {
  const declarations = openDeclarations(database.pool, chain)
  return dlm1Routes({ declarations, overlay, chain, now, onFailure })
}
