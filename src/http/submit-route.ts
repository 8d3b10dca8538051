import type { Request, RequestHandler, Response } from 'express'
import type { Overlay } from '../adapters/overlay/overlay.ts'
import { readSubmittedBeef } from '../contract/submitted-beef.ts'
import type { AtOnce } from './limit-at-once.ts'
import { type OverlayError, overlayError, type Read, sendError } from './overlay-error.ts'
import { readTopics } from './read-topics.ts'
import type { WithBody } from './receive-body.ts'
import { splitOffChainValues } from './split-off-chain-values.ts'

/** BRC-22: a BEEF for topics that its header names. */
export function submitRoute(
  overlay: Overlay,
  withBody: WithBody,
  bodyBytesMax: number,
  atOnce: AtOnce,
): RequestHandler {
  return async (request, response) => {
    const topics = readHeaders(overlay, request)
    if (!topics.ok) return sendError(response, topics.error)
    await withBody(request, response, bodyBytesMax, body =>
      atOnce(response, () => submit(overlay, request, topics.value, body, response)),
    )
  }
}

/** Before the body is received: what these are wrong about, a megabyte cannot mend. */
function readHeaders(overlay: Overlay, request: Request): Read<readonly string[]> {
  if (!request.is('application/octet-stream'))
    return {
      ok: false,
      error: {
        status: 400,
        code: 'ERR_CONTENT_TYPE',
        message: 'a submission is the bytes of a BEEF, with Content-Type application/octet-stream',
      },
    }
  const topics = readTopics(request.get('x-topics'), new Set(Object.keys(overlay.hosted.managers)))
  return topics.ok ? topics : { ok: false, error: overlayError(topics.fault) }
}

async function submit(
  overlay: Overlay,
  request: Request,
  topics: readonly string[],
  body: unknown,
  response: Response,
): Promise<void> {
  if (!(body instanceof Uint8Array) || body.length === 0) return sendError(response, noBody)
  const parts =
    request.get('x-includes-off-chain-values') === 'true'
      ? splitOffChainValues(body)
      : { ok: true as const, value: { beef: body, offChainValues: undefined } }
  if (!parts.ok) return sendError(response, overlayError(parts.fault))
  const { beef: bytes, offChainValues } = parts.value
  const beef = readSubmittedBeef(bytes)
  if (!beef.ok) return sendError(response, overlayError(beef.fault))
  const steak = await overlay.submit({
    beef: beef.value,
    topics,
    ...(offChainValues !== undefined && { offChainValues }),
  })
  if (!steak.ok) return sendError(response, overlayError(steak.fault))
  response.json(steak.value)
}

const noBody: OverlayError = {
  status: 400,
  code: 'ERR_OVERLAY_ADMISSION_INVALID_BEEF',
  message: 'the body is empty; send the bytes of a BEEF',
}
