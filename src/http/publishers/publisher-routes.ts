import { Router } from 'express'
import { overlayFailures } from '../overlay-failures.ts'
import { auditRoutes } from './audit-routes.ts'
import { feedRoutes } from './feed-routes.ts'
import { keyRoutes } from './key-routes.ts'
import { policyRoutes } from './policy-routes.ts'
import type { PublisherRouteDeps } from './publisher-ports.ts'
import { quarantineRoutes } from './quarantine-routes.ts'
import { streamRoutes } from './stream-routes.ts'

/** What publishers do by themselves, each with what is their own. */
export function publisherRoutes(deps: PublisherRouteDeps): Router {
  const routes = Router({ caseSensitive: true })
  routes.use(feedRoutes(deps))
  routes.use(policyRoutes(deps))
  routes.use(streamRoutes(deps))
  routes.use(keyRoutes(deps))
  routes.use(quarantineRoutes(deps))
  routes.use(auditRoutes(deps))
  routes.use(overlayFailures(deps.onFailure))
  return routes
}
