import { type Request, type Response, Router } from 'express'
import * as z from 'zod'
import type { Overlay } from '../adapters/overlay/overlay.ts'
import { refused } from '../core/fault.ts'
import type { AtOnce } from './limit-at-once.ts'
import { overlayError, sendError } from './overlay-error.ts'
import type { WithJson } from './read-json.ts'
import { txid } from './txid.ts'
import { wrongShape } from './wrong-shape.ts'

/** BRC-64, for hosts that follow a topic by what of it is unspent, transaction by transaction. */
export function gaspRoutes(overlay: Overlay, withJson: WithJson, atOnce: AtOnce): Router {
  const routes = Router({ caseSensitive: true })
  routes.post('/requestSyncResponse', (request, response) =>
    withJson(request, response, body =>
      atOnce(response, () => syncResponse(overlay, request, body, response)),
    ),
  )
  routes.post('/requestForeignGASPNode', (request, response) =>
    withJson(request, response, body => atOnce(response, () => foreignNode(overlay, body, response))),
  )
  return routes
}

const syncRequest = z.object({
  version: z.int(),
  since: z.int().min(0),
  limit: z.int().min(1).max(10_000).default(1000),
})

async function syncResponse(
  overlay: Overlay,
  request: Request,
  body: unknown,
  response: Response,
): Promise<void> {
  const topic = request.get('x-bsv-topic') ?? ''
  const read = syncRequest.safeParse(body)
  if (!read.success) return sendError(response, wrongShape('the body', read.error))
  if (!Object.hasOwn(overlay.hosted.managers, topic))
    return sendError(
      response,
      overlayError(
        refused('topic-unknown', `the X-BSV-Topic header names no topic that this node hosts`).fault,
      ),
    )
  const { since, limit } = read.data
  response.json({ UTXOList: await overlay.unspentSince(topic, since, limit), since })
}

const nodeRequest = z.object({
  graphID: z.string().regex(/^[0-9a-f]{64}\.\d{1,10}$/, 'not <txid>.<index of an output>'),
  txid,
  outputIndex: z.int().min(0).max(0xffff_ffff),
})

async function foreignNode(overlay: Overlay, body: unknown, response: Response): Promise<void> {
  const read = nodeRequest.safeParse(body)
  if (!read.success) return sendError(response, wrongShape('the body', read.error))
  const { graphID, txid: wanted, outputIndex } = read.data
  const node = await overlay.raw(wanted)
  if (node === undefined)
    return sendError(response, {
      status: 404,
      code: 'ERR_NOT_FOUND',
      message: `${wanted} is not stored here`,
    })
  response.json({ graphID, outputIndex, ...node })
}
