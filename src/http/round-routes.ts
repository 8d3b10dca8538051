import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Request, type Response, Router } from 'express'
import type { RequestNonces } from '../adapters/auth/request-nonces.ts'
import type { OpenPart, PartReader, RoundParts } from '../adapters/round-parts/round-parts.ts'
import { verifyRequest } from '../contract/request-signature.ts'
import { type RoundPart, roundParts } from '../contract/round-locations.ts'
import { errorCode } from '../runtime/error-code.ts'
import { limitAtOnce } from './limit-at-once.ts'
import { type OverlayError, type Read, sendError } from './overlay-error.ts'
import { overlayFailures } from './overlay-failures.ts'

export type RoundRouteDeps = {
  readonly parts: RoundParts
  readonly nonces: Pick<RequestNonces, 'use'>
  /** So far the nonce of a signed request may be from this clock. */
  readonly signatureTtlSeconds: number
  readonly limits?: Partial<RoundRouteLimits>
  now(): number
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

export type RoundRouteLimits = {
  /** Every agent of a round fetches at the same moment. */
  readonly readsAtOnceMax: number
  /** So long a reader may take for one part. */
  readonly answerMsMax: number
}

export const roundRouteLimits: RoundRouteLimits = { readsAtOnceMax: 128, answerMsMax: 120_000 }

/** `GET /<part>/<name>`: what agents fetch of the rounds they work on; contract/round-locations.ts says what there is. */
export function roundRoutes(deps: RoundRouteDeps): Router {
  const { parts, now } = deps
  const limits = { ...roundRouteLimits, ...deps.limits }
  const places = limitAtOnce(limits.readsAtOnceMax, limits.answerMsMax)
  const routes = Router({ caseSensitive: true })
  routes.get('/:part/:name', (request, response) =>
    places(response, async () => {
      const { part, name } = request.params
      if (!isPart(part) || name === undefined || !/^[0-9a-f]{64}$/.test(name))
        return sendError(response, notThere)
      const reader = await readerOf(request, deps, now())
      if (!reader.ok) return sendError(response, reader.error)
      const opened = await parts.open(part, name, reader.value)
      if (opened === undefined) return sendError(response, notThere)
      try {
        await send(request, response, part, name, opened, limits.answerMsMax)
      } finally {
        await opened.close()
      }
    }),
  )
  routes.use(overlayFailures(deps.onFailure))
  return routes
}

function isPart(part: string | undefined): part is RoundPart {
  return roundParts.some(known => known === part)
}

/** Without a signature: anybody, who is given what is public. */
async function readerOf(
  request: Request,
  { nonces, signatureTtlSeconds }: RoundRouteDeps,
  nowMs: number,
): Promise<Read<PartReader>> {
  const [identityKey, nonce, signature] = signatureHeaders.map(name => request.get(name))
  if (identityKey === undefined && nonce === undefined && signature === undefined)
    return { ok: true, value: 'anybody' }
  if (identityKey === undefined || nonce === undefined || signature === undefined)
    return unauthorized(`a signed request has the headers ${signatureHeaders.join(', ')}; send all of them`)
  if (request.get('X-Signature-Version') !== '2')
    return unauthorized(
      'a signature of version 1 does not cover the path; sign with X-Signature-Version: 2, or leave it out',
    )
  const verified = verifyRequest(
    {
      method: request.method,
      path: request.originalUrl,
      nonce,
      body: none,
      version: 2,
      identityKey,
      signature,
    },
    { nowMs, windowSeconds: signatureTtlSeconds },
  )
  if (!verified.ok) return unauthorized(verified.fault.detail)
  // Only now, so that nobody without the key can use nonces up.
  if ((await nonces.use(verified.value)) === 'repeated')
    return unauthorized('X-Nonce was used with this key before; sign again, with another one')
  return { ok: true, value: { agentKey: identityKey } }
}

const signatureHeaders = ['X-Identity-Key', 'X-Nonce', 'X-Signature'] as const
const none = new Uint8Array()

async function send(
  request: Request,
  response: Response,
  part: RoundPart,
  name: string,
  opened: OpenPart,
  answerMsMax: number,
): Promise<void> {
  // Whatever it holds, it is what agents hash: nothing that a browser should run.
  response.set({
    ETag: `"${name}"`,
    'Cache-Control': opened.isPublic ? 'public, max-age=31536000, immutable' : 'private, no-store',
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': "sandbox; default-src 'none'",
  })
  if (request.fresh) return void response.status(304).end()
  response.setHeader('Content-Type', types[part])
  response.set('Content-Length', String(opened.length))
  if (request.method === 'HEAD') return void response.end()
  try {
    await pipeline(Readable.from(opened.chunks(), { objectMode: false }), response, {
      signal: AbortSignal.timeout(answerMsMax),
    })
  } catch (error) {
    // The reader has left, or takes too long: nothing is lost, it asks again.
    if (errorCode(error) !== 'ERR_STREAM_PREMATURE_CLOSE' && errorCode(error) !== 'ABORT_ERR') throw error
  }
}

const types: Readonly<Record<RoundPart, string>> = {
  document: 'application/json',
  packet: 'application/x-ndjson',
  policy: 'application/json',
  state: 'application/json',
  outcome: 'application/octet-stream',
  manifest: 'application/json',
}

/** One answer to whatever cannot be had: of what is restricted nobody learns that it is here. */
const notThere: OverlayError = {
  status: 404,
  code: 'ERR_NOT_FOUND',
  message: `no such part of a round is here for you; a part is one of ${roundParts.join(', ')}, a name 64 lower-case hex digits, and what is restricted is given to agents with a seat in its round, who sign the request (X-Signature-Version: 2)`,
}

function unauthorized(message: string): { ok: false; error: OverlayError } {
  return { ok: false, error: { status: 401, code: 'ERR_AUTH_UNAUTHORIZED', message } }
}
