import { type Request, type Response, Router } from 'express'
import type { Pool } from 'pg'
import * as z from 'zod'
import type { ContentStore } from '../adapters/uhrp/content-store.ts'
import { identityHolder } from '../adapters/uhrp/holder.ts'
import { issueUpload, type UploadUrlBounds } from '../adapters/uhrp/upload-urls.ts'
import { uploadsOf } from '../adapters/uhrp/uploads-of.ts'
import { hashInUhrpUrl, uhrpUrlOf } from '../contract/uhrp-url.ts'
import type { Authentication, Caller } from './authentication.ts'
import { type OverlayError, overlayError, type Read, sendError } from './overlay-error.ts'
import { parseJson, readJson } from './read-json.ts'
import { bodyLimits, bodyReader } from './receive-body.ts'
import type { UhrpLimits } from './uhrp-limits.ts'
import { wrongShape } from './wrong-shape.ts'

export type StorageRouteDeps = {
  readonly pool: Pool
  readonly store: ContentStore
  readonly authentication: Authentication
  readonly uploaders: ReadonlySet<string> | 'any'
  readonly bounds: UploadUrlBounds
  readonly limits: UhrpLimits
  publicUrl(): string
  now(): number
}

const JSON_BYTES_MAX = 4096

/** What the stock StorageUploader asks a storage host, in the shapes that it reads. Times are seconds here, as in adverts. */
export function storageRoutes(deps: StorageRouteDeps): Router {
  const { pool, store, authentication, bounds, limits, publicUrl, now } = deps
  const withJson = readJson(bodyReader(bodyLimits), JSON_BYTES_MAX)
  const routes = Router({ caseSensitive: true })

  routes.post('/quote', (request, response) =>
    withJson(request, response, body => {
      const wish = readWish(body, limits)
      if (wish.ok) response.json({ quote: 0 })
      else sendError(response, wish.error)
    }),
  )
  routes.post(
    '/upload',
    forUploaders(deps, async (response, { identityKey, body }) => {
      const wish = readWish(parseJson(body), limits)
      if (!wish.ok) return sendError(response, wish.error)
      const { fileSize: length, retainMs } = wish.value
      const issued = await issueUpload(pool, { identityKey, length, retainMs }, bounds, now())
      if (!issued.ok) return sendError(response, overlayError(issued.fault))
      const uploadURL = `${publicUrl()}/uhrp/uploads/${issued.value}`
      response.json({ status: 'success', uploadURL, requiredHeaders: {}, amount: 0 })
    }),
  )
  routes.get(
    '/find',
    authentication.requireIdentity(async (request, response, { identityKey }) => {
      const sha256 = readUrl(request.query['uhrpUrl'])
      if (sha256 === undefined) return sendError(response, noUrl)
      const [found] = await uploadsOf(pool, identityKey, { nowMs: now(), limit: 1, sha256 })
      if (found === undefined) return sendError(response, notYours)
      const { length, contentType, retainUntilMs } = found
      response.json({
        status: 'success',
        data: {
          name: sha256,
          size: String(length),
          mimeType: contentType,
          expiryTime: seconds(retainUntilMs),
        },
      })
    }),
  )
  routes.get(
    '/list',
    authentication.requireIdentity(async (_, response, { identityKey }) => {
      const uploads = await uploadsOf(pool, identityKey, { nowMs: now(), limit: limits.listedMax })
      response.json({
        status: 'success',
        uploads: uploads.map(({ sha256, retainUntilMs }) => ({
          uhrpUrl: uhrpUrlOf(sha256),
          expiryTime: seconds(retainUntilMs),
        })),
      })
    }),
  )
  routes.post(
    '/renew',
    forUploaders(deps, async (response, { identityKey, body }) => {
      const read = renewal.safeParse(parseJson(body))
      if (!read.success) return sendError(response, wrongShape('the body', read.error))
      const sha256 = readUrl(read.data.uhrpUrl)
      if (sha256 === undefined) return sendError(response, noUrl)
      const [found] = await uploadsOf(pool, identityKey, { nowMs: now(), limit: 1, sha256 })
      if (found === undefined) return sendError(response, notYours)
      const untilMs = found.retainUntilMs + MINUTE_MS * read.data.additionalMinutes
      if (untilMs > now() + limits.retentionMsMax) return sendError(response, tooLong(limits))
      const extended = await store.extend(sha256, identityHolder(identityKey), untilMs)
      if (extended === undefined) return sendError(response, notYours)
      response.json({
        status: 'success',
        prevExpiryTime: seconds(extended.previousMs),
        newExpiryTime: seconds(extended.retainUntilMs),
        amount: 0,
      })
    }),
  )
  return routes
}

const MINUTE_MS = 60_000

function forUploaders(
  { authentication, uploaders }: StorageRouteDeps,
  handle: (response: Response, caller: Caller) => Promise<void>,
) {
  return authentication.requireIdentity(
    (_: Request, response, caller) => {
      if (uploaders === 'any' || uploaders.has(caller.identityKey)) return handle(response, caller)
      return sendError(response, {
        status: 403,
        code: 'ERR_AUTH_FORBIDDEN',
        message: `${caller.identityKey} may not store anything here; its operator lists who may in UHRP_UPLOADERS`,
      })
    },
    { bodyBytesMax: JSON_BYTES_MAX },
  )
}

const count = z.int().min(1)
const wish = z.object({ fileSize: z.int().min(0), retentionPeriod: count })
const renewal = z.object({ uhrpUrl: z.string().max(200), additionalMinutes: count })

/** How long a file shall be kept is in minutes. */
function readWish(body: unknown, limits: UhrpLimits): Read<{ fileSize: number; retainMs: number }> {
  const read = wish.safeParse(body)
  if (!read.success) return { ok: false, error: wrongShape('the body', read.error) }
  const { fileSize, retentionPeriod } = read.data
  const retainMs = MINUTE_MS * retentionPeriod
  if (retainMs > limits.retentionMsMax) return { ok: false, error: tooLong(limits) }
  if (fileSize <= limits.objectBytesMax) return { ok: true, value: { fileSize, retainMs } }
  return {
    ok: false,
    error: {
      status: 413,
      code: 'ERR_REQUEST_TOO_LARGE',
      message: `an object may have ${limits.objectBytesMax} bytes here; send smaller parts`,
    },
  }
}

function readUrl(url: unknown): string | undefined {
  return typeof url === 'string' ? hashInUhrpUrl(url) : undefined
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000)
}

function tooLong({ retentionMsMax }: UhrpLimits): OverlayError {
  return {
    status: 400,
    code: 'ERR_REQUEST_INVALID',
    message: `nothing is kept for longer than ${retentionMsMax / MINUTE_MS} minutes from now; ask for less, and renew it later`,
  }
}

const noUrl: OverlayError = {
  status: 400,
  code: 'ERR_REQUEST_INVALID',
  message: 'uhrpUrl is not a UHRP URL: XUT…, bare or behind uhrp: or uhrp://',
}
const notYours: OverlayError = {
  status: 404,
  code: 'ERR_NOT_FOUND',
  message: 'you keep no such object here; upload it first',
}
