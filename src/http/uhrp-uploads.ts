import type { Request, Response } from 'express'
import type { Pool } from 'pg'
import type { ContentStore, Wishes } from '../adapters/uhrp/content-store.ts'
import { identityHolder, seatHolder } from '../adapters/uhrp/holder.ts'
import { seatTaken } from '../adapters/uhrp/keep-object.ts'
import type { MayUpload } from '../adapters/uhrp/may-upload.ts'
import { endUpload, redeemUpload } from '../adapters/uhrp/upload-urls.ts'
import { readWorkUpload } from '../contract/messages.ts'
import { verifyUpload } from '../contract/work.ts'
import { knownHex } from '../core/bytes.ts'
import type { Outpoint } from '../core/rounds/pipeline.ts'
import { overlayError, sendError } from './overlay-error.ts'
import { againstEncoding } from './receive-body.ts'
import { BodyCutOffError, BodySilentError, requestBytes } from './request-bytes.ts'
import type { UhrpLimits } from './uhrp-limits.ts'

export type UploadDeps = {
  readonly pool: Pool
  readonly store: ContentStore
  readonly mayUpload: MayUpload
  readonly limits: UhrpLimits
  now(): number
}

/** An agent's output for its seat, announced in the query and signed by the agent (docs/formats.md, section 7). */
export async function takeAgentUpload(request: Request, response: Response, deps: UploadDeps): Promise<void> {
  const { limits, now } = deps
  const announced = readWorkUpload({
    ...request.query,
    type: 'work',
    length: readLength(request.query['length']),
  })
  if (!announced.ok) return sendError(response, overlayError(announced.fault))
  const { agentKey, sha256, length, signature } = announced.value
  const jobOutpoint = readOutpoint(announced.value.jobOutpoint)
  const holder = seatHolder(jobOutpoint)
  if (length > limits.objectBytesMax) return tooLarge(response, limits.objectBytesMax)
  const upload = { jobOutpoint, sha256, length }
  if (!verifyUpload(agentKey, upload, knownHex(signature)))
    return sendError(response, {
      status: 401,
      code: 'ERR_AUTH_UNAUTHORIZED',
      message: `the signature is not agent ${agentKey}'s over this outpoint, hash and length; sign what you announce`,
    })
  const seat = await deps.mayUpload(agentKey, upload)
  if (!seat.ok && seat.fault.code === 'not-admitted')
    return sendError(response, { status: 403, code: 'ERR_AUTH_FORBIDDEN', message: seat.fault.detail })
  if (!seat.ok) return sendError(response, overlayError(seat.fault))
  if (length > seat.value.outputBytesMax) return tooLarge(response, seat.value.outputBytesMax)
  if (seat.value.isTaken) return sendError(response, overlayError(seatTaken.fault))
  await take(request, response, deps, {
    expected: { sha256, length },
    holder,
    audience: 'restricted',
    readers: [seat.value.coordinator],
    retainUntilMs: now() + limits.outputRetentionMs,
  })
}

/** What an identity was given an upload URL for: public from the moment that it is stored. */
export async function takeUpload(request: Request, response: Response, deps: UploadDeps): Promise<void> {
  const { pool, now, limits } = deps
  const token = String(request.params['token'])
  const redeemed = await redeemUpload(pool, token, now(), length => uploadMsMax(length, limits))
  if (redeemed.kind !== 'leave') return sendError(response, refusals[redeemed.kind])
  const { identityKey, length, retainMs } = redeemed.leave
  const wishes: Wishes = {
    expected: { length },
    holder: identityHolder(identityKey),
    audience: 'public',
    retainUntilMs: now() + retainMs,
    ...contentTypeOf(request),
  }
  await take(request, response, deps, wishes, () => endUpload(pool, token))
}

/** By then it has ended, one way or the other. */
function uploadMsMax(length: number, { silenceMsMax, uploadBytesPerSecondMin }: UhrpLimits): number {
  return silenceMsMax + Math.ceil((1000 * length) / uploadBytesPerSecondMin)
}

const refusals = {
  unknown: {
    status: 404,
    code: 'ERR_NOT_FOUND',
    message: 'there is no such upload URL; ask for one with POST /upload',
  },
  used: {
    status: 409,
    code: 'ERR_UHRP_CONFLICT',
    message: 'this upload URL was used before, and is good for one upload; ask for another with POST /upload',
  },
  expired: {
    status: 410,
    code: 'ERR_UHRP_EXPIRED',
    message: 'this upload URL has expired; ask for another with POST /upload',
  },
} as const

async function take(
  request: Request,
  response: Response,
  { store, limits }: UploadDeps,
  wishes: Wishes,
  /** Before the answer: whoever has it may ask for the next upload at once. */
  end = async () => {},
): Promise<void> {
  const against = againstHeaders(request, wishes.expected?.length)
  if (against !== undefined) {
    await end()
    return sendError(response, against)
  }
  const longestMs = uploadMsMax(wishes.expected?.length ?? limits.objectBytesMax, limits)
  try {
    const stored = await store.put(requestBytes(request, limits.silenceMsMax, longestMs), wishes).finally(end)
    // Whatever still comes is let go by, or the client would never read the answer.
    request.resume()
    if (stored.ok) response.json({ status: 'success', ...stored.value })
    else sendError(response, overlayError(stored.fault))
  } catch (error) {
    if (error instanceof BodyCutOffError) return
    if (!(error instanceof BodySilentError)) throw error
    response.once('finish', () => request.destroy())
    sendError(response, {
      status: 408,
      code: 'ERR_REQUEST_TIMEOUT',
      message: `${error.message}, and its end is missing; send it again in one go`,
    })
  }
}

function againstHeaders(request: Request, length: number | undefined) {
  const encoded = againstEncoding(request)
  if (encoded !== undefined) return encoded
  const announced = request.get('content-length')
  if (announced !== undefined && Number(announced) !== length)
    return {
      status: 400,
      code: 'ERR_UHRP_CONTENT',
      message: `the body has ${announced} bytes, and the upload is for ${length}; send as many as you announced`,
    } as const
  return undefined
}

function tooLarge(response: Response, bytesMax: number): void {
  sendError(response, {
    status: 413,
    code: 'ERR_REQUEST_TOO_LARGE',
    message: `the object may have ${bytesMax} bytes; send less`,
  })
}

function readLength(text: unknown): unknown {
  return typeof text === 'string' && /^(?:0|[1-9]\d{0,15})$/.test(text) ? Number(text) : text
}

function readOutpoint(text: string): Outpoint {
  return { txid: text.slice(0, 64), vout: Number(text.slice(65)) }
}

const CONTENT_TYPE_CHARS_MAX = 128

/** As uploaded, where it is spelled as a media type is; else it is bytes. */
function contentTypeOf(request: Request): { contentType?: string } {
  const given = request.get('content-type') ?? ''
  const isMediaType =
    given.length <= CONTENT_TYPE_CHARS_MAX &&
    /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+(?: *; *[a-z0-9-]+=(?:[a-z0-9!#$&^_.+-]+|"[a-z0-9 ._-]*"))*$/i.test(
      given,
    )
  return isMediaType ? { contentType: given } : {}
}
