import { type Request, Router } from 'express'
import { overlayFailures } from '../overlay-failures.ts'

export type TopicRouteDeps = {
  /** What this node hosts; everybody may see it. */
  hosted(): Promise<object>
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

export function topicRoutes({ hosted, onFailure }: TopicRouteDeps): Router {
  const routes = Router({ caseSensitive: true })
  routes.get('/overlay/topics', async (_, response) => {
    response.json(await hosted())
  })
  routes.use(overlayFailures(onFailure))
  return routes
}
