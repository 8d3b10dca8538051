import express, { type Express, type Request, type Router } from 'express'
import { Registry } from 'prom-client'
import type { Network } from '../core/network.ts'
import type { ShownMetrics } from '../runtime/shown-metrics.ts'
import { allowCrossOrigin, crossOriginHeaders } from './cross-origin.ts'
import { sendError } from './overlay-error.ts'
import { overlayFailures } from './overlay-failures.ts'

export type NodeAppParts = {
  readonly routes: readonly (Router | readonly [path: string, routes: Router])[]
  readonly metrics: ShownMetrics
  readonly network: Network
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

/** Puts the routes of a node together, in this order. Every answer says which chain it is about. */
export function nodeApp({ routes, metrics, network, onFailure }: NodeAppParts): Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', 'simple')
  app.enable('case sensitive routing')
  app.use((_, response, next) => {
    response.set(chainHeaders(network))
    next()
  })
  app.use(allowCrossOrigin)
  app.get('/metrics', async (request, response) => {
    response.vary('Accept')
    // Who accepts anything is Prometheus, or a person with curl.
    if (request.accepts(['text/plain', 'application/json']) === 'application/json')
      response.json(await metrics.getMetricsAsJSON())
    else response.type(Registry.PROMETHEUS_CONTENT_TYPE).send(await metrics.metrics())
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
  app.use(overlayFailures(onFailure))
  return app
}

/** What every answer carries, also one to what is no request. */
export function standingHeaders(network: Network): Record<string, string> {
  return { ...crossOriginHeaders, ...chainHeaders(network) }
}

/** In headers, because the bodies of BRC routes have no room for members of ours. */
function chainHeaders(network: Network): Record<string, string> {
  return { 'X-Assay-Network': network, 'X-Assay-Economic-Finality': String(network === 'mainnet') }
}
