import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Request, type Response, Router } from 'express'
import * as z from 'zod'
import type { Heard, Report } from '../adapters/overlay/hear-of.ts'
import type { Overlay } from '../adapters/overlay/overlay.ts'
import { BEEF_BYTES_MAX } from '../contract/beef.ts'
import { readBump } from '../contract/bump.ts'
import { readSubmittedBeef } from '../contract/submitted-beef.ts'
import { fromHex } from '../core/bytes.ts'
import { refused } from '../core/fault.ts'
import { bearerGuard } from './bearer-guard.ts'
import { limitAtOnce } from './limit-at-once.ts'
import { aggregatedAnswer, jsonAnswer } from './lookup-answer.ts'
import {
  type OverlayError,
  type OverlayErrorCode,
  overlayError,
  type Read,
  sendError,
} from './overlay-error.ts'
import { overlayFailures } from './overlay-failures.ts'
import { readJson } from './read-json.ts'
import { readTopics } from './read-topics.ts'
import { bodyLimits, bodyReader } from './receive-body.ts'
import { splitOffChainValues } from './split-off-chain-values.ts'
import { wrongShape } from './wrong-shape.ts'

export type OverlayRouteLimits = {
  /** A BEEF of the greatest length, with off-chain values. */
  readonly submitBytesMax: number
  readonly submitsAtOnceMax: number
  readonly lookupsAtOnceMax: number
  /** Of all bodies together, from their first byte until they are answered. */
  readonly bytesAtOnceMax: number
  /** So long nothing may come of a body that is under way. */
  readonly silenceMsMax: number
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

  routes.post('/submit', async (request, response) => {
    const topics = readSubmitHeaders(overlay, request)
    if (!topics.ok) return sendError(response, topics.error)
    await withBody(request, response, bounds.submitBytesMax, body =>
      submits(response, () => submit(overlay, request, topics.value, body, response)),
    )
  })
  routes.post('/lookup', (request, response) =>
    withJson(request, response, body =>
      lookups(response, () => lookup(overlay, request, body, response, bounds.answerMsMax)),
    ),
  )

  routes.get('/listTopicManagers', async (_, response) => {
    response.json(await overlay.engine.listTopicManagers())
  })
  routes.get('/listLookupServiceProviders', async (_, response) => {
    response.json(await overlay.engine.listLookupServiceProviders())
  })
  routes.get('/getDocumentationForTopicManager', async (request, response) => {
    const { manager, topic } = request.query
    await documentation(overlay.hosted.managers, manager ?? topic, 'manager', response)
  })
  routes.get('/getDocumentationForLookupServiceProvider', async (request, response) => {
    const { lookupService, service } = request.query
    await documentation(overlay.hosted.services, lookupService ?? service, 'lookupService', response)
  })

  const mayCallBack = bearerGuard(arcCallbackToken, 'the callback of a transaction processor')
  routes.post('/arc-ingest', (request, response) =>
    withJson(request, response, async body => {
      // What is no callback at all is told so to anybody.
      const read = (isBatch(body) ? callbackBatch : oneCallback).safeParse(body)
      if (!read.success) return sendError(response, wrongShape('the body', read.error))
      const against = mayCallBack(request)
      if (against !== undefined) return sendError(response, against)
      await takeCallbacks(overlay, read.data, response)
    }),
  )
  routes.post('/requestSyncResponse', (request, response) =>
    withJson(request, response, body =>
      lookups(response, () => syncResponse(overlay, request, body, response)),
    ),
  )
  routes.post('/requestForeignGASPNode', (request, response) =>
    withJson(request, response, body => lookups(response, () => foreignNode(overlay, body, response))),
  )
  routes.use(overlayFailures(onFailure))
  return routes
}

/** Before the body is received: what these are wrong about, a megabyte cannot mend. */
function readSubmitHeaders(overlay: Overlay, request: Request): Read<readonly string[]> {
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

const question = z.object({ service: z.string().min(1), query: z.unknown() })

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
  const found = await overlay.lookup(asked.data.service, asked.data.query)
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

async function documentation(
  hosted: Readonly<Record<string, { getDocumentation(): Promise<string> }>>,
  name: unknown,
  parameter: string,
  response: Response,
): Promise<void> {
  if (typeof name !== 'string' || name === '')
    return sendError(response, {
      status: 400,
      code: 'ERR_REQUEST_INVALID',
      message: `name one in the query: ?${parameter}=…`,
    })
  const one = Object.hasOwn(hosted, name) ? hosted[name] : undefined
  if (one === undefined)
    return sendError(response, {
      status: 404,
      code: 'ERR_NOT_FOUND',
      message: `this node hosts nothing named "${name.slice(0, 64)}"`,
    })
  response.type('text/markdown').send(await one.getDocumentation())
}

const txid = z.string().regex(/^[0-9a-f]{64}$/, 'not a txid: 64 lower-case hex digits')
/** As ARC sends them, and as the reference node takes them: without a status, there is a proof. */
const callback = z.object({
  txid,
  txStatus: z.string().max(64).nullish(),
  merklePath: z.string().nullish(),
  blockHeight: z.int().min(0).nullish(),
})
type Callback = z.output<typeof callback>
const oneCallback = callback.transform(one => [one])
const CALLBACKS_MAX = 50
const callbackBatch = z
  .object({ callbacks: z.array(callback).min(1).max(CALLBACKS_MAX) })
  .transform(({ callbacks }) => callbacks)

function isBatch(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'callbacks' in body
}

/** Each for itself. Where one cannot be taken, the answer says so, and all of them may come again. */
async function takeCallbacks(
  overlay: Overlay,
  callbacks: readonly Callback[],
  response: Response,
): Promise<void> {
  const told: Read<Heard>[] = []
  for (const one of callbacks) told.push(await takeCallback(overlay, one))
  const against = told.find(each => !each.ok)
  if (against !== undefined && !against.ok) return sendError(response, against.error)
  const messages = new Set(told.map(each => (each.ok ? heardAs[each.value] : '')))
  response.json({ status: 'success', message: [...messages].join('; ') })
}

const heardAs: Readonly<Record<Heard, string>> = {
  new: 'proof taken in',
  known: 'proof known already',
  asked: 'noted; the network is asked',
  noted: 'noted',
  'unknown-transaction': 'not stored here',
}

async function takeCallback(overlay: Overlay, one: Callback): Promise<Read<Heard>> {
  const report = reportOf(one)
  if (!report.ok) return report
  const heard = await overlay.hearOf(one.txid, report.value)
  if (!heard.ok) return { ok: false, error: overlayError(heard.fault) }
  if (heard.value === 'unknown-transaction')
    return {
      ok: false,
      error: { status: 404, code: 'ERR_NOT_FOUND', message: `${one.txid} is not stored here` },
    }
  return { ok: true, value: heard.value }
}

function reportOf({ txStatus, merklePath, blockHeight }: Callback): Read<Report> {
  // A path of the block that is stale now may come with it.
  if (txStatus === 'MINED_IN_STALE_BLOCK') return { ok: true, value: { what: 'moved' } }
  if (txStatus === 'REJECTED') return { ok: true, value: { what: 'refused' } }
  if (typeof txStatus === 'string' && txStatus !== 'MINED') return { ok: true, value: { what: 'under-way' } }
  if (merklePath) return readProof(merklePath, blockHeight)
  if (txStatus === 'MINED') return { ok: true, value: { what: 'moved' } }
  return refusedProof('a callback without a txStatus carries a merklePath', 'ERR_REQUEST_INVALID')
}

function readProof(merklePath: string, blockHeight: number | null | undefined): Read<Report> {
  const path = fromHex(merklePath.toLowerCase())
  if (path === undefined) return refusedProof('merklePath is not hex')
  const proof = readBump(path)
  if (!proof.ok) return { ok: false, error: { ...overlayError(proof.fault), code: 'ERR_PROOF_INVALID' } }
  const { height } = proof.value
  if (typeof blockHeight === 'number' && blockHeight !== height)
    return refusedProof(`blockHeight is ${blockHeight}, and the Merkle path says ${height}`)
  return { ok: true, value: { what: 'proven', proof: proof.value } }
}

function refusedProof(message: string, code: OverlayErrorCode = 'ERR_PROOF_INVALID'): Read<Report> {
  return { ok: false, error: { status: 400, code, message } }
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
