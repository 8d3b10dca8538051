import { buffer } from 'node:stream/consumers'
import { type Request, type Response, Router } from 'express'
import type { Pool } from 'pg'
import { sha256Hex } from '#sha256'
import type { ContentStore, OpenObject } from '../adapters/uhrp/content-store.ts'
import type { MayUpload } from '../adapters/uhrp/may-upload.ts'
import type { Reader } from '../adapters/uhrp/read-entry.ts'
import { issueTicket, redeemTicket, type TicketBounds, ticketBounds } from '../adapters/uhrp/read-tickets.ts'
import { type UploadUrlBounds, uploadUrlBounds } from '../adapters/uhrp/upload-urls.ts'
import { hashInUhrpUrl } from '../contract/uhrp-url.ts'
import type { Authentication, Caller } from './authentication.ts'
import { limitAtOnce } from './limit-at-once.ts'
import { type OverlayError, sendError } from './overlay-error.ts'
import { overlayFailures } from './overlay-failures.ts'
import { clearObjectHeaders, DamagedObject, objectHeaders, sendObject } from './send-object.ts'
import { type UhrpLimits, uhrpLimits } from './uhrp-limits.ts'
import { storageRoutes } from './uhrp-storage-routes.ts'
import { takeAgentUpload, takeUpload } from './uhrp-uploads.ts'

export type UhrpRouteDeps = {
  readonly pool: Pool
  readonly store: ContentStore
  readonly mayUpload: MayUpload
  /** Without it there is nobody who may read what is restricted, and only agents upload. */
  readonly authentication?: Authentication
  /** Identity keys that may upload; or anybody with one. */
  readonly uploaders: ReadonlySet<string> | 'any'
  readonly quotaBytes: number
  readonly limits?: Partial<UhrpLimits>
  readonly urlBounds?: Partial<Pick<UploadUrlBounds, 'urlMsMax' | 'urlsMax'>>
  readonly tickets?: Partial<TicketBounds>
  /** Where clients reach this node. */
  publicUrl(): string
  now(): number
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

/** Content by its hash (BRC-26): reading it, agents' uploads, and what the stock StorageUploader asks for. */
export function uhrpRoutes(deps: UhrpRouteDeps): Router {
  const { pool, store, mayUpload, authentication, now, publicUrl } = deps
  const limits = { ...uhrpLimits, ...deps.limits }
  const tickets = { ...ticketBounds, ...deps.tickets }
  const reads = limitAtOnce(limits.readsAtOnceMax, limits.silenceMsMax)
  const uploads = limitAtOnce(limits.uploadsAtOnceMax, limits.silenceMsMax)
  const uploading = { pool, store, mayUpload, limits, now }
  const routes = Router({ caseSensitive: true })

  routes.put('/uhrp/uploads', (request, response) =>
    uploads(response, () => takeAgentUpload(request, response, uploading)),
  )
  routes.put('/uhrp/uploads/:token', (request, response) =>
    uploads(response, () => takeUpload(request, response, uploading)),
  )

  const readAs = (request: Request, response: Response, reader: Reader, send: Send) => {
    const sha256 = readName(request.params['hash'])
    if (sha256 === undefined) return sendError(response, notThere)
    return reads(response, () => withObject(store, sha256, reader, response, send))
  }
  const readDirectly = authentication?.requireIdentity((request, response, { identityKey }) =>
    readAs(request, response, { identityKey }, object => sendSigned(response, object, limits)),
  )
  routes.get('/uhrp/:hash', async (request, response, next) => {
    // Only a proven caller gets to see what is restricted; others need not prove anything.
    if (readDirectly !== undefined && request.get('x-bsv-auth-identity-key') !== undefined)
      return readDirectly(request, response, next)
    const { ticket } = request.query
    const send: Send = object => sendObject(request, response, object, limits)
    if (ticket === undefined) return readAs(request, response, 'anybody', send)
    const sha256 = readName(request.params['hash'])
    const reader =
      request.method === 'GET' && typeof ticket === 'string' && sha256 !== undefined
        ? await redeemTicket(pool, ticket, sha256, now())
        : undefined
    if (reader === undefined) return sendError(response, notThere)
    return readAs(request, response, { identityKey: reader }, send)
  })

  if (authentication !== undefined) {
    const giveTicket = async (request: Request, response: Response, { identityKey }: Caller) => {
      const sha256 = readName(request.params['hash'])
      if (sha256 === undefined) return sendError(response, notThere)
      await withObject(store, sha256, { identityKey }, response, async () => {
        const ticket = await issueTicket(pool, sha256, identityKey, tickets, now())
        if (ticket === undefined) return sendError(response, enoughTickets)
        const { token, expiresMs } = ticket
        response.json({ status: 'success', url: `${publicUrl()}/uhrp/${sha256}?ticket=${token}`, expiresMs })
      })
    }
    routes.post('/uhrp/:hash/tickets', authentication.requireIdentity(giveTicket))
    const { uploaders, quotaBytes, urlBounds } = deps
    const bounds = { ...uploadUrlBounds, ...urlBounds, quotaBytes, objectBytesMax: limits.objectBytesMax }
    routes.use(storageRoutes({ pool, store, authentication, uploaders, bounds, limits, publicUrl, now }))
  }
  routes.use(overlayFailures(deps.onFailure))
  return routes
}

type Send = (object: OpenObject) => Promise<void>

async function withObject(
  store: ContentStore,
  sha256: string,
  reader: Reader,
  response: Response,
  send: Send,
): Promise<void> {
  const opened = await store.open(sha256, reader)
  if (opened.kind === 'none') return sendError(response, notThere)
  if (opened.kind === 'expired') return sendError(response, expired)
  try {
    await send(opened.object)
  } catch (error) {
    if (!(error instanceof DamagedObject)) throw error
    await store.condemn(opened.object)
    // Half of it has been said: what is left unsaid tells the client that this is not the object.
    if (response.headersSent) return void response.destroy()
    clearObjectHeaders(response, opened.object)
    sendError(response, notThere)
  } finally {
    await opened.object.file.close()
  }
}

/** A signed answer is given in one piece: ranges, and what is longer, are for tickets. */
async function sendSigned(
  response: Response,
  object: OpenObject,
  { directBytesMax }: UhrpLimits,
): Promise<void> {
  if (object.length > directBytesMax)
    return sendError(response, {
      status: 413,
      code: 'ERR_REQUEST_TOO_LARGE',
      message: `the object has ${object.length} bytes, and a signed answer at most ${directBytesMax}; POST /uhrp/${object.sha256}/tickets, and GET the URL that it answers with`,
    })
  const bytes = await buffer(object.file.createReadStream({ start: 0, autoClose: false }))
  if (sha256Hex(bytes) !== object.sha256) throw new DamagedObject('a stored file does not hash to its name')
  response.status(200).set(objectHeaders(object)).send(bytes)
}

/** 64 lower-case hex digits, or a UHRP URL. */
function readName(name: unknown): string | undefined {
  if (typeof name !== 'string') return undefined
  return /^[0-9a-f]{64}$/.test(name) ? name : hashInUhrpUrl(name)
}

/** One answer to whatever cannot be had: from what is restricted nobody learns that it is here. */
const notThere: OverlayError = {
  status: 404,
  code: 'ERR_NOT_FOUND',
  message: 'no such object is stored here for you; ask ls_uhrp who else has it',
}
const expired: OverlayError = {
  status: 410,
  code: 'ERR_UHRP_EXPIRED',
  message: 'the object was stored here until its retention ended; ask ls_uhrp who else has it',
}
const enoughTickets: OverlayError = {
  status: 503,
  code: 'ERR_BUSY',
  message: 'you have as many unused tickets as one reader may have; use them, or try again in a minute',
  retryAfterSeconds: 60,
}
