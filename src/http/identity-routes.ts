import { Router } from 'express'
import type { KeySuccession } from '../contract/key-succession.ts'
import type { Network } from '../core/network.ts'

export type NodeIdentity = {
  readonly network: Network
  /** Under which this node connects and advertises. */
  readonly nodeKey: string
  /** How the keys before it handed over, oldest first: whoever knew one of them finds the way to the one in use. */
  readonly successions: readonly KeySuccession[]
  /** Whose events this node certifies: the first part of every stream's full name. */
  readonly logKey: string
}

/** Who this node is, for whoever wants to put its keys on a list. */
export function identityRoutes(identity: NodeIdentity): Router {
  const routes = Router({ caseSensitive: true })
  routes.get('/identity', (_, response) => {
    response.json(identity)
  })
  return routes
}
