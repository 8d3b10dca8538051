import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Request, type Response, Router } from 'express'
import type { RequestNonces } from '../adapters/auth/request-nonces.ts'
import type { OpenPart, PartReader, RoundParts } from '../adapters/round-parts/round-parts.ts'
import { PART_LIST_NAMES_MAX } from '../contract/part-list.ts'
import { verifyRequest } from '../contract/request-signature.ts'
import { type RoundPart, roundParts } from '../contract/round-locations.ts'
import { errorCode } from '../runtime/error-code.ts'
import { limitAtOnce } from './limit-at-once.ts'
import { notRun } from './not-run.ts'
import { type OverlayError, type Read, sendError } from './overlay-error.ts'
import { overlayFailures } from './overlay-failures.ts'

export type RoundRouteDeps = {
  readonly parts: RoundParts
  /** Identity key of the log whose rounds these are. */
  readonly logKey: string
  readonly nonces: Pick<RequestNonces, 'use'>
  /** So far the nonce of a signed request may be from this clock. */
  readonly signatureTtlSeconds: number
  readonly limits?: Partial<RoundRouteLimits>
  /** Where a request comes from; its socket's other end, where nothing is said. */
  readonly addressOf?: (request: Request) => string | undefined
  now(): number
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

export type RoundRouteLimits = {
  /** Every agent of a round fetches at the same moment. */
  readonly readsAtOnceMax: number
  readonly readsOfNetworkMax: number
  /** Kept free for agents that were given seats here, who sign: no stranger takes these. */
  readonly seatedReadsAtOnceMax: number
  /** So long a reader may take nothing of its answer. */
  readonly silenceMsMax: number
  /** A reader that takes less in a second, counted over the whole answer, is cut off. */
  readonly readBytesPerSecondMin: number
}

export const roundRouteLimits: RoundRouteLimits = {
  readsAtOnceMax: 96,
  readsOfNetworkMax: 48,
  seatedReadsAtOnceMax: 64,
  silenceMsMax: 10_000,
  readBytesPerSecondMin: 16 * 1024,
}

/** `GET /<part>/<name>`: what agents fetch of the rounds they work on; contract/round-locations.ts says what there is. */
export function roundRoutes(deps: RoundRouteDeps): Router {
  const { parts, now } = deps
  const limits = { ...roundRouteLimits, ...deps.limits }
  const { readsAtOnceMax, readsOfNetworkMax, seatedReadsAtOnceMax, silenceMsMax } = limits
  const anybody = limitAtOnce(readsAtOnceMax, silenceMsMax, {
    share: { max: readsOfNetworkMax, ...(deps.addressOf && { addressOf: deps.addressOf }) },
  })
  const seated = limitAtOnce(seatedReadsAtOnceMax, silenceMsMax)
  const routes = Router({ caseSensitive: true })
  routes.get('/:part/:name', async (request, response) => {
    // By the key that it names: whoever names another one's is found out, and gone, at once.
    const places = (await isOfAgent(request, parts)) ? seated : anybody
    await places(response, async () => {
      const { part, name } = request.params
      const names = namesIn(name)
      if (!isPart(part) || names === undefined) return sendError(response, notThere)
      const reader = await readerOf(request, deps, now())
      if (!reader.ok) return sendError(response, reader.error)
      if (names.length > 1) return sendList(response, await parts.list(part, names, reader.value))
      const opened = await parts.open(part, name, reader.value)
      if (opened === undefined) return sendError(response, notThere)
      try {
        await send(request, response, { part, name, opened }, limits)
      } finally {
        await opened.close()
      }
    })
  })
  routes.use(overlayFailures(deps.onFailure))
  return routes
}

/** One name, or a list of them. */
function namesIn(text: string | undefined): readonly string[] | undefined {
  const names = (text ?? '').split(',', PART_LIST_NAMES_MAX + 1)
  return names.length <= PART_LIST_NAMES_MAX && names.every(name => /^[0-9a-f]{64}$/.test(name))
    ? names
    : undefined
}

/** Another one may be answered differently a moment later, so nobody keeps it. */
function sendList(response: Response, bytes: Uint8Array): void {
  response.set({
    ...notRun,
    'Cache-Control': 'private, no-store',
    'Content-Type': 'application/octet-stream',
  })
  response.set('Content-Length', String(bytes.length)).end(bytes)
}

async function isOfAgent(request: Request, parts: RoundParts): Promise<boolean> {
  const key = request.get('X-Identity-Key') ?? ''
  return /^0[23][0-9a-f]{64}$/.test(key) && (await parts.knows(key))
}

function isPart(part: string | undefined): part is RoundPart {
  return roundParts.some(known => known === part)
}

/** Without a signature: anybody, who is given what is public. */
async function readerOf(
  request: Request,
  { nonces, signatureTtlSeconds, logKey }: RoundRouteDeps,
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
  // An agent works for several logs, and one of them may pass on here what was signed for its own jobs.
  if (request.query['log'] !== logKey)
    return unauthorized(
      `a signed request says whose job it is for, and rounds here are of log ${logKey}; ask for the part with ?log=${logKey}, and sign that`,
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
  { part, name, opened }: { readonly part: RoundPart; readonly name: string; readonly opened: OpenPart },
  { silenceMsMax, readBytesPerSecondMin }: RoundRouteLimits,
): Promise<void> {
  response.set({
    ...notRun,
    ETag: `"${name}"`,
    'Cache-Control': opened.isPublic ? 'public, max-age=31536000, immutable' : 'private, no-store',
  })
  if (request.fresh) return void response.status(304).end()
  response.setHeader('Content-Type', types[part])
  response.set('Content-Length', String(opened.length))
  if (request.method === 'HEAD') return void response.end()
  const cutOff = new AbortController()
  const abort = () => cutOff.abort()
  const silence = setTimeout(abort, silenceMsMax)
  const tooSlow = setTimeout(abort, silenceMsMax + (1000 * opened.length) / readBytesPerSecondMin)
  const taken = inPieces(opened.chunks(), () => silence.refresh())
  try {
    await pipeline(Readable.from(taken, { objectMode: false }), response, { signal: cutOff.signal })
  } catch (error) {
    // The reader has left, or takes too long: nothing is lost, it asks again.
    if (errorCode(error) !== 'ERR_STREAM_PREMATURE_CLOSE' && errorCode(error) !== 'ABORT_ERR') throw error
  } finally {
    clearTimeout(silence)
    clearTimeout(tooSlow)
  }
}

/** Small enough that a reader at the least speed takes one well within the silence that it may keep. */
const PIECE_BYTES = 64 * 1024

async function* inPieces(chunks: AsyncIterable<Uint8Array>, onTaken: () => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks)
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      yield chunk.subarray(at, at + PIECE_BYTES)
      onTaken()
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
