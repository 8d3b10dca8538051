import express, { type Express, type Router } from 'express'
import type { Registry } from 'prom-client'
import type { Network } from '../core/network.ts'
import { allowCrossOrigin } from './cross-origin.ts'
import { sendError } from './overlay-error.ts'

export type NodeAppParts = {
  readonly routes: readonly (Router | readonly [path: string, routes: Router])[]
  readonly metrics: Registry
  readonly network: Network
}

/** Puts the routes of a node together, in this order. Every answer says which chain it is about. */
export function nodeApp({ routes, metrics, network }: NodeAppParts): Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', 'simple')
  app.use(allowCrossOrigin)
  // In headers, because the bodies of BRC routes have no room for members of ours.
  app.use((_, response, next) => {
    response.set({ 'X-Assay-Network': network, 'X-Assay-Economic-Finality': String(network === 'mainnet') })
    next()
  })
  app.get('/metrics', async (_, response) => {
    response.type(metrics.contentType).send(await metrics.metrics())
  })
  for (const each of routes) {
    if (typeof each === 'function') app.use(each)
    else app.use(each[0], each[1])
  }
  app.use((request, response) => {
    sendError(response, {
      status: 404,
      code: 'ERR_NOT_FOUND',
      message: `there is no ${request.method} ${request.path.slice(0, 200)} here`,
    })
  })
  return app
}
