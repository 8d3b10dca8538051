import type { RequestHandler, Response } from 'express'
import * as z from 'zod'
import type { Heard, Report } from '../adapters/overlay/hear-of.ts'
import type { Overlay } from '../adapters/overlay/overlay.ts'
import { readBump } from '../contract/bump.ts'
import { fromHex } from '../core/bytes.ts'
import { bearerGuard } from './bearer-guard.ts'
import { type OverlayErrorCode, overlayError, type Read, sendError } from './overlay-error.ts'
import type { WithJson } from './read-json.ts'
import { txid } from './txid.ts'
import { wrongShape } from './wrong-shape.ts'

/** What a transaction processor calls back with; without a token, no callback is taken. */
export function arcIngestRoute(
  overlay: Overlay,
  withJson: WithJson,
  token: string | undefined,
): RequestHandler {
  const against = bearerGuard(token, 'the callback of a transaction processor')
  return (request, response) =>
    withJson(request, response, async body => {
      // What is no callback at all is told so to anybody.
      const read = (isBatch(body) ? callbackBatch : oneCallback).safeParse(body)
      if (!read.success) return sendError(response, wrongShape('the body', read.error))
      const refusal = against(request)
      if (refusal !== undefined) return sendError(response, refusal)
      await takeCallbacks(overlay, read.data, response)
    })
}

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
