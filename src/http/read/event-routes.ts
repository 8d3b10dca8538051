import { type Request, type RequestHandler, type Response, Router } from 'express'
import type { FindEvent, FoundEvent } from '../../adapters/projections/find-event.ts'
import { notRun } from '../not-run.ts'
import { overlayFailures } from '../overlay-failures.ts'
import type { Problem } from '../problem.ts'
import { sendProblem } from '../send-problem.ts'
import { type CloudEventMessage, cloudEventMessage, cloudEventMode } from './cloud-event-answer.ts'
import type { Reading } from './reading.ts'

export type EventRouteDeps = {
  readonly findEvent: FindEvent
  readonly details: EventDetails
  readonly reading: Reading
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

/** What is shown of an event that was found, to whoever may read it. `busy`: ask again. */
export type EventDetails = {
  event(found: FoundEvent): Promise<object | 'busy'>
  trace(found: FoundEvent): Promise<object | 'busy'>
  certification(found: FoundEvent): Promise<object | 'busy'>
}

/** One event, by the id that its publisher was answered with, as publishers ask for it. */
export function ingestEventRoutes(deps: EventRouteDeps): Router {
  const routes = Router({ caseSensitive: true })
  routes.get('/ingest/events/:id', answered(deps, deps.details.event))
  routes.use(overlayFailures(deps.onFailure))
  return routes
}

/** The same, and how it came to be what it is. */
export function eventRoutes(deps: EventRouteDeps): Router {
  const { details } = deps
  const routes = Router({ caseSensitive: true })
  routes.use(ingestEventRoutes(deps))
  routes.get(
    '/events/:id',
    showing(deps, async (found, request, response) => {
      response.vary('Accept')
      const mode = cloudEventMode(request)
      if (mode === undefined) sendDetail(response, await details.event(found))
      else sendCloudEvent(response, cloudEventMessage(found, mode))
    }),
  )
  routes.get('/events/:id/trace', answered(deps, details.trace))
  routes.get('/overlay/events/:id/certification', answered(deps, details.certification))
  routes.use(overlayFailures(deps.onFailure))
  return routes
}

type Show = (found: FoundEvent, request: Request, response: Response) => Promise<void>

function showing({ findEvent, reading }: EventRouteDeps, show: Show): RequestHandler {
  return reading(async (request, response, reader) => {
    const { id } = request.params
    const found = typeof id === 'string' && eventIdForm.test(id) ? await findEvent(id, reader) : undefined
    if (found === 'behind') return sendProblem(response, behind)
    // To whoever may not read it, an event is not there.
    if (found === undefined) return sendProblem(response, notFound)
    await show(found, request, response)
  })
}

function answered(
  deps: EventRouteDeps,
  detail: (found: FoundEvent) => Promise<object | 'busy'>,
): RequestHandler {
  return showing(deps, async (found, _, response) => sendDetail(response, await detail(found)))
}

const eventIdForm = /^[0-9a-f]{64}$/

function sendDetail(response: Response, detail: object | 'busy'): void {
  if (detail === 'busy') sendProblem(response, busy)
  else response.json(detail)
}

function sendCloudEvent(response: Response, message: CloudEventMessage | Problem): void {
  if ('code' in message) {
    sendProblem(response, message)
    return
  }
  // Not by `set`, which would add a charset to the type that the publisher has given its data.
  for (const [name, value] of Object.entries(message.headers)) response.setHeader(name, value)
  response.set(notRun).send(Buffer.from(message.body))
}

const notFound: Problem = {
  code: 'not-found',
  detail: 'no event with this id is in a stream that you may read',
}
const behind: Problem = {
  code: 'busy',
  detail: 'so many events have come that not all of them can be found yet, and this one may be among them',
  hint: 'wait as long as Retry-After says, and ask again',
  retryAfterSeconds: 5,
}
const busy: Problem = {
  code: 'busy',
  detail: 'so many are reading what was certified that no more can wait for it',
  hint: 'wait as long as Retry-After says, and ask again',
  retryAfterSeconds: 1,
}
