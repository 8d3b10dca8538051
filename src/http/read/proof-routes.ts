import { type Request, type Response, Router } from 'express'
import * as z from 'zod'
import type { FindEvent } from '../../adapters/projections/find-event.ts'
import type { FindPacketStream } from '../../adapters/reading/find-packet.ts'
import type { PacketProof, ProofFile } from '../../contract/proof.ts'
import { canonicalJson } from '../../core/canonical-json.ts'
import { mayRead, type Reader } from '../../core/registry/may-read.ts'
import type { EventPlace, Made } from '../../serve/make-proof.ts'
import type { ProofsOf } from '../../serve/proofs.ts'
import { overlayFailures } from '../overlay-failures.ts'
import { type Problem, problemBody } from '../problem.ts'
import { sendProblem } from '../send-problem.ts'
import { proofProblem } from './proof-problem.ts'
import { hash, readQuery } from './query-members.ts'
import type { Reading } from './reading.ts'

export type ProofRouteDeps = {
  readonly findEvent: FindEvent
  /** Of those that the reader may read. */
  findPlaces(reader: Reader, eventIds: readonly string[]): Promise<ReadonlyMap<string, EventPlace>>
  readonly findPacketStream: FindPacketStream
  readonly proofs: ProofsOf
  readonly reading: Reading
  readonly bytesMax: number
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

/** Events that one request may ask about. */
export const PROOFS_MAX = 50
/** Of an answer about several; what does not fit is named, to be asked for again. */
export const PROOFS_BYTES_MAX = 4 * 1024 * 1024

/** Proof files as they are handed on, each in its canonical form. */
export function proofRoutes(deps: ProofRouteDeps): Router {
  const { findEvent, findPacketStream, reading, proofs, onFailure } = deps
  const routes = Router({ caseSensitive: true })
  routes.get(
    '/events/:id/proof',
    reading(async ({ params: { id } }, response, reader) => {
      const found = hash.safeParse(id).success ? await findEvent(String(id), reader) : undefined
      if (found === 'behind') return sendProblem(response, behind)
      // To whoever may not read it, an event is not there.
      if (found === undefined) return sendProblem(response, noEvent)
      sendProof(response, found.eventId, await proofs().event(found))
    }),
  )
  routes.get(
    '/packets/:id/proof',
    reading(async ({ params: { id } }, response, reader) => {
      const packetId = hash.safeParse(id).data
      const stream = packetId === undefined ? undefined : await findPacketStream(packetId)
      const isThere = stream !== undefined && mayRead(reader, stream)
      const made = packetId === undefined || !isThere ? undefined : await proofs().packet(packetId)
      if (packetId === undefined || made === undefined) return sendProblem(response, noPacket)
      sendProof(response, packetId, made)
    }),
  )
  routes.get(
    '/proofs',
    reading(async (request, response, reader) => {
      const asked = readQuery(proofsQuery, request)
      if ('code' in asked) return sendProblem(response, asked)
      await sendProofs(response, asked.read.ids, reader, deps)
    }),
  )
  routes.use(overlayFailures(onFailure))
  return routes
}

const proofsQuery = z.strictObject({
  ids: z
    .string()
    .max(PROOFS_MAX * 65)
    .transform(text => [...new Set(text.split(','))])
    .pipe(z.array(hash).max(PROOFS_MAX)),
})

function sendProof(response: Response, name: string, made: Made<ProofFile | PacketProof>): void {
  if (made.kind !== 'proof') {
    sendProblem(response, proofProblem(made))
    return
  }
  response
    .type('json')
    .set('Content-Disposition', `attachment; filename="${name}.assay.json"`)
    .send(canonicalJson(made.proof))
}

/** In the order in which they were asked for, as many as fit; one in any case, so that whoever goes on comes to an end. */
async function sendProofs(
  response: Response,
  eventIds: readonly string[],
  reader: Reader,
  { findPlaces, proofs, bytesMax }: ProofRouteDeps,
): Promise<void> {
  const places = await findPlaces(reader, eventIds)
  // What is shared by events of one packet is read once for all of them.
  const { event } = proofs()
  const items: string[] = []
  let bytes = 0
  for (const eventId of eventIds) {
    const place = places.get(eventId)
    const made = place && (await event(place))
    const item =
      made?.kind === 'proof'
        ? `{"eventId":"${eventId}","proof":${canonicalJson(made.proof)}}`
        : JSON.stringify({
            eventId,
            problem: problemBody(made === undefined ? noneOfThese : proofProblem(made)),
          })
    bytes += Buffer.byteLength(item)
    if (bytes > bytesMax && items.length > 0) break
    items.push(item)
  }
  const rest = JSON.stringify(eventIds.slice(items.length))
  response.type('json').send(`{"items":[${items.join(',')}],"rest":${rest}}`)
}

const noEvent: Problem = {
  code: 'not-found',
  detail: 'no event with this id is in a stream that you may read',
}
const noPacket: Problem = {
  code: 'not-found',
  detail: 'no packet with this id is of a stream that you may read',
  hint: 'take a packetId, 64 hex digits in lower case, from what is shown of an event',
}
const noneOfThese: Problem = {
  ...noEvent,
  hint: 'one that was sent just now may be found a moment later; GET /events/{id}/proof finds it at once',
}
const behind: Problem = {
  code: 'busy',
  detail: 'so many events have come that not all of them can be found yet, and this one may be among them',
  hint: 'wait as long as Retry-After says, and ask again',
  retryAfterSeconds: 5,
}
