import { type Request, Router } from 'express'
import type { Overlay } from '../adapters/overlay/overlay.ts'
import { BEEF_BYTES_MAX } from '../contract/beef.ts'
import { arcIngestRoute } from './arc-ingest-route.ts'
import { documentationRoutes } from './documentation-routes.ts'
import { gaspRoutes } from './gasp-routes.ts'
import { limitAtOnce } from './limit-at-once.ts'
import { lookupRoute } from './lookup-route.ts'
import { overlayFailures } from './overlay-failures.ts'
import { readJson } from './read-json.ts'
import { bodyLimits, bodyReader } from './receive-body.ts'
import { submitRoute } from './submit-route.ts'

export type OverlayRouteLimits = {
  /** A BEEF of the greatest length, with off-chain values. */
  readonly submitBytesMax: number
  readonly submitsAtOnceMax: number
  readonly lookupsAtOnceMax: number
  /** Of all bodies together, from their first byte until they are answered. */
  readonly bytesAtOnceMax: number
  /** So long nothing may come of a body that is under way. */
  readonly silenceMsMax: number
  /** From the first byte of a body to its last. */
  readonly bodyMsMax: number
  /** So long a client may take to read its answer. */
  readonly answerMsMax: number
}

export const overlayRouteLimits: OverlayRouteLimits = {
  submitBytesMax: BEEF_BYTES_MAX + 8 * 1024 * 1024 + 1024,
  submitsAtOnceMax: 64,
  lookupsAtOnceMax: 64,
  ...bodyLimits,
  answerMsMax: 60_000,
}

const JSON_BYTES_MAX = 64 * 1024

export type OverlayRouteDeps = {
  readonly overlay: Overlay
  /** What the transaction processor sends with its callbacks; without one, no callback is taken. */
  readonly arcCallbackToken?: string
  readonly limits?: Partial<OverlayRouteLimits>
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

/** The public routes of a BRC-22 and BRC-24 host, for any express app. */
export function overlayRoutes({ overlay, arcCallbackToken, limits, onFailure }: OverlayRouteDeps): Router {
  const bounds = { ...overlayRouteLimits, ...limits }
  const withBody = bodyReader(bounds)
  const withJson = readJson(withBody, JSON_BYTES_MAX)
  const submits = limitAtOnce(bounds.submitsAtOnceMax, bounds.answerMsMax)
  const lookups = limitAtOnce(bounds.lookupsAtOnceMax, bounds.answerMsMax)

  const routes = Router({ caseSensitive: true })
  routes.post('/submit', submitRoute(overlay, withBody, bounds.submitBytesMax, submits))
  routes.post('/lookup', lookupRoute(overlay, withJson, lookups, bounds.answerMsMax))
  routes.post('/arc-ingest', arcIngestRoute(overlay, withJson, arcCallbackToken))
  routes.use(documentationRoutes(overlay))
  routes.use(gaspRoutes(overlay, withJson, lookups))
  routes.use(overlayFailures(onFailure))
  return routes
}
