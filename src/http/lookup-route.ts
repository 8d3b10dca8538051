import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Request, RequestHandler, Response } from 'express'
import * as z from 'zod'
import type { Overlay } from '../adapters/overlay/overlay.ts'
import { isOutOfTime } from '../adapters/postgres/connection-loss.ts'
import { refused } from '../core/fault.ts'
import type { AtOnce } from './limit-at-once.ts'
import { aggregatedAnswer, jsonAnswer } from './lookup-answer.ts'
import { type OverlayError, overlayError, sendError } from './overlay-error.ts'
import type { WithJson } from './read-json.ts'

/** BRC-24: a question to one lookup service. */
export function lookupRoute(
  overlay: Overlay,
  withJson: WithJson,
  atOnce: AtOnce,
  answerMsMax: number,
): RequestHandler {
  return (request, response) =>
    withJson(request, response, body =>
      atOnce(response, () => lookup(overlay, request, body, response, answerMsMax)),
    )
}

const question = z.object({ service: z.string().min(1), query: z.unknown() })

const tooMuch: OverlayError = {
  status: 503,
  code: 'ERR_BUSY',
  message:
    'the answer was not found in the time that a question has; ask for less, such as one round, packet, version, agent or coordinator, or a shorter span of time, or try again in a second',
  retryAfterSeconds: 1,
}

async function lookup(
  overlay: Overlay,
  request: Request,
  body: unknown,
  response: Response,
  answerMsMax: number,
): Promise<void> {
  const asked = question.safeParse(body)
  // `query` may be anything but absent; what a service makes of null is nothing useful.
  if (!asked.success || asked.data.query === undefined || asked.data.query === null)
    return sendError(
      response,
      overlayError(
        refused('query-invalid', 'the body is not JSON like {"service": "ls_…", "query": {…}}').fault,
      ),
    )
  const found = await overlay.lookup(asked.data.service, asked.data.query).catch((error: unknown) => {
    if (!isOutOfTime(error)) throw error
    return undefined
  })
  if (found === undefined) return sendError(response, tooMuch)
  if (!found.ok) return sendError(response, overlayError(found.fault))
  if (request.get('x-aggregation')?.toLowerCase() !== 'yes')
    return sendInPieces(response, jsonAnswer(found.value), answerMsMax)
  // Clients compare the type exactly, so nothing may be added to it.
  response.setHeader('Content-Type', 'application/octet-stream')
  response.end(aggregatedAnswer(found.value))
}

/** At the client's pace: in JSON a BEEF takes four times its length, and nobody needs all of it at once. */
async function sendInPieces(
  response: Response,
  pieces: Iterable<string>,
  answerMsMax: number,
): Promise<void> {
  response.setHeader('Content-Type', 'application/json; charset=utf-8')
  const tooSlow = AbortSignal.timeout(answerMsMax)
  try {
    await pipeline(Readable.from(pieces, { highWaterMark: 1 }), response, { signal: tooSlow })
  } catch (error) {
    // The client has left, or was cut off, before it had it all; a piece that cannot be made is another matter.
    const hasLeft = error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE'
    if (!hasLeft && !tooSlow.aborted) throw error
  }
}
