import { type Request, type Response, Router } from 'express'
import type { FindEvent, FoundEvent } from '../adapters/projections/find-event.ts'
import { namesOf } from '../core/event/quality-flags.ts'
import { eventWord } from '../core/jobs/vocabulary.ts'
import { anybody, mayRead } from '../core/registry/may-read.ts'
import { overlayFailures } from './overlay-failures.ts'
import { PROBLEM_TYPE, type Problem, problemBody, problemHeaders, problemStatus } from './problem.ts'

export type EventRouteDeps = {
  readonly findEvent: FindEvent
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

/** One event, by the id that its publisher was answered with. */
export function eventRoutes({ findEvent, onFailure }: EventRouteDeps): Router {
  const routes = Router({ caseSensitive: true })
  routes.get('/ingest/events/:id', async (request, response) => {
    const { id } = request.params
    const found = eventIdForm.test(id) ? await findEvent(id) : undefined
    if (found === 'behind') return sendProblem(response, behind)
    // To whoever may not read it, an event is not there.
    if (found === undefined || !mayRead(anybody, found.stream)) return sendProblem(response, notFound)
    response.json(shownEvent(found))
  })
  routes.use(overlayFailures(onFailure))
  return routes
}

const eventIdForm = /^[0-9a-f]{64}$/

/** What is not known yet is null; times are in seconds where the name does not say otherwise. */
function shownEvent(event: FoundEvent) {
  const { envelope, contentHash } = event
  return {
    eventId: event.eventId,
    sourceId: event.sourceId,
    status: eventWord('ingest', event.state),
    raw: envelope?.payload ?? null,
    normalized: null,
    contentHash: contentHash && `sha256:${contentHash}`,
    versionId: event.versionId,
    evidence: event.evidence === null ? [] : [event.evidence].flat(),
    outside: event.outside,
    lastError: event.lastError,
    createdAt: Math.floor(event.ingestTimeMs / 1000),
    updatedAt: Math.floor(event.changedMs / 1000),
    state: event.state,
    orchestration: event.orchestration,
    streamId: event.stream.streamId,
    partition: event.partition,
    seq: event.seq,
    packetNo: event.packetNo,
    packetId: event.packetId,
    type: event.type,
    externalId: envelope?.nativeId ?? null,
    revises: envelope?.revises ?? null,
    eventTimeMs: event.eventTimeMs,
    ingestTimeMs: event.ingestTimeMs,
    qualityFlags: event.flags,
    qualityFlagNames: namesOf(event.flags),
  }
}

const notFound: Problem = {
  code: 'not-found',
  detail: 'no event with this id is in a stream that everybody may read',
}
const behind: Problem = {
  code: 'busy',
  detail: 'so many events have come that not all of them can be found yet, and this one may be among them',
  hint: 'wait as long as Retry-After says, and ask again',
  retryAfterSeconds: 5,
}

function sendProblem(response: Response, problem: Problem): void {
  response
    .status(problemStatus(problem))
    .set(problemHeaders(problem))
    .type(PROBLEM_TYPE)
    .json(problemBody(problem))
}
