import { type Response, Router } from 'express'
import type { Overlay } from '../adapters/overlay/overlay.ts'
import { sendError } from './overlay-error.ts'

/** What is hosted here, and what each of it says of itself. */
export function documentationRoutes({ engine, hosted }: Overlay): Router {
  const routes = Router({ caseSensitive: true })
  routes.get('/listTopicManagers', async (_, response) => {
    response.json(await engine.listTopicManagers())
  })
  routes.get('/listLookupServiceProviders', async (_, response) => {
    response.json(await engine.listLookupServiceProviders())
  })
  routes.get('/getDocumentationForTopicManager', async (request, response) => {
    const { manager, topic } = request.query
    await documentation(hosted.managers, manager ?? topic, 'manager', response)
  })
  routes.get('/getDocumentationForLookupServiceProvider', async (request, response) => {
    const { lookupService, service } = request.query
    await documentation(hosted.services, lookupService ?? service, 'lookupService', response)
  })
  return routes
}

async function documentation(
  hosted: Readonly<Record<string, { getDocumentation(): Promise<string> }>>,
  name: unknown,
  parameter: string,
  response: Response,
): Promise<void> {
  if (typeof name !== 'string' || name === '')
    return sendError(response, {
      status: 400,
      code: 'ERR_REQUEST_INVALID',
      message: `name one in the query: ?${parameter}=…`,
    })
  const one = Object.hasOwn(hosted, name) ? hosted[name] : undefined
  if (one === undefined)
    return sendError(response, {
      status: 404,
      code: 'ERR_NOT_FOUND',
      message: `this node hosts nothing named "${name.slice(0, 64)}"`,
    })
  response.type('text/markdown').send(await one.getDocumentation())
}
