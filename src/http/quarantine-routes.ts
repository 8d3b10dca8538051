import { type Request, type RequestHandler, Router } from 'express'
import type * as z from 'zod'
import type { ListedItem, QuarantineFilter } from '../adapters/quarantine/read-quarantine.ts'
import type { AcceptRefusal } from '../ingest/arrived.ts'
import type { Decider } from '../ingest/may-decide.ts'
import type { HeldItem, ReleaseOutcome, ReleaseRequest, Step } from '../ingest/release.ts'
import type { Log } from '../runtime/log.ts'
import { type AdminAnswer, answerAdmin, askedByAdmin } from './admin-answer.ts'
import { adminGuard } from './admin-guard.ts'
import type { Authentication } from './authentication.ts'
import { limitAtOnce } from './limit-at-once.ts'
import { type OverlayError, sendError } from './overlay-error.ts'
import { overlayFailures } from './overlay-failures.ts'
import { listRequest, quarantineId, releaseRequest, waiveRequest } from './quarantine-requests.ts'
import { readJson } from './read-json.ts'
import { bodyLimits, bodyReader } from './receive-body.ts'
import { wrongShape } from './wrong-shape.ts'

export type QuarantineRouteDeps = {
  readonly authentication: Authentication
  /** Who may: whoever carries this token, and whoever proves one of these identities. */
  readonly token: string | undefined
  readonly identityKeys: readonly string[]
  readonly quarantine: Quarantine
  /** Every change, with who made it. */
  readonly log: Log
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

/** What was set aside of what came in, and what may be done with it. */
export type Quarantine = {
  /** The newest first, from below an id on. */
  list(
    filter: QuarantineFilter,
    page: { readonly below?: number | undefined; readonly limit: number },
  ): Promise<readonly ListedItem[]>
  inspect(id: number): Promise<{ readonly item: HeldItem; readonly steps: readonly Step[] } | undefined>
  release(request: ReleaseRequest): Promise<ReleaseOutcome>
  /** Resolves with the item as it is then; undefined where there is none. */
  waive(id: number, by: Decider, why: string): Promise<HeldItem | undefined>
}

/** An edit may replace a whole payload. */
const JSON_BYTES_MAX = 4 * 1024 * 1024
const REQUESTS_AT_ONCE_MAX = 8
const ANSWER_MS_MAX = 60_000

/** For whoever decides over what was set aside. */
export function quarantineRoutes(deps: QuarantineRouteDeps): Router {
  const { quarantine, log } = deps
  const guard = adminGuard({ ...deps, bodyBytesMax: JSON_BYTES_MAX })
  const withJson = readJson(bodyReader(bodyLimits), JSON_BYTES_MAX)
  const places = limitAtOnce(REQUESTS_AT_ONCE_MAX, ANSWER_MS_MAX)
  const routes = Router({ caseSensitive: true })

  const asking = askedByAdmin(guard, places)
  const changing = <Shape extends z.ZodType>(
    action: string,
    shape: Shape,
    work: (id: number, read: z.output<Shape>, by: Decider) => Promise<AdminAnswer>,
  ): RequestHandler =>
    guard((request, response, who) =>
      withJson(request, response, body =>
        places(response, async () => {
          const id = quarantineId.safeParse(request.params['id'])
          if (!id.success) return sendError(response, unknownItem)
          const read = shape.safeParse(body)
          if (!read.success) return sendError(response, wrongShape('the body', read.error))
          // Not what was asked: an edit is a payload, and those are not logged.
          log.info({ who, action, quarantineId: id.data }, 'an admin has acted')
          await answerAdmin(response, () => work(id.data, read.data, { role: 'admin', who }))
        }),
      ),
    )

  routes.get(
    '/admin/quarantine',
    asking(async ({ query }) => {
      const read = listRequest.safeParse(query)
      if (!read.success) return wrongShape('the query', read.error)
      const { filter, page } = read.data
      const items = await quarantine.list(filter, page)
      const last = items.length === page.limit ? items.at(-1) : undefined
      return { data: { items: items.map(toldAs), below: last === undefined ? null : String(last.id) } }
    }),
  )
  routes.get(
    '/admin/quarantine/:id',
    asking(async ({ params }) => {
      const id = quarantineId.safeParse(params['id'])
      const found = id.success ? await quarantine.inspect(id.data) : undefined
      if (found === undefined) return unknownItem
      const { item, steps } = found
      const told = steps.map(({ atMs, action, who, detail }) => ({ atMs, action, who, detail }))
      return { data: { ...toldAs(item), held: item.held, steps: told } }
    }),
  )
  routes.post(
    '/admin/quarantine/:id/release',
    changing('release', releaseRequest, async (id, { override, streamId, edit }, by) => {
      const outcome = await quarantine.release({
        id,
        by,
        override,
        ...(streamId !== undefined && { streamId }),
        ...(edit !== undefined && { edit }),
      })
      return toldOf(outcome)
    }),
  )
  routes.post(
    '/admin/quarantine/:id/waive',
    changing('waive', waiveRequest, async (id, { why }, by) => {
      const item = await quarantine.waive(id, by, why)
      if (item === undefined) return unknownItem
      return item.state === 'waived'
        ? { data: toldAs(item) }
        : stays('it has been released, and is in the log')
    }),
  )
  routes.use(overlayFailures(deps.onFailure))
  return routes
}

function toldOf(outcome: ReleaseOutcome): AdminAnswer {
  switch (outcome.kind) {
    case 'released':
      return { data: toldAs(outcome.item) }
    case 'unknown':
      return unknownItem
    case 'forbidden':
      return {
        status: 403,
        code: 'ERR_AUTH_FORBIDDEN',
        message: 'you may not decide over what this source sends',
      }
    case 'overtaken':
      return stays('somebody has decided over it meanwhile')
    case 'stays':
      return stays(outcome.detail)
    case 'turned-away':
      return turnedAway(outcome.refusal)
  }
}

/** All but what was sent: lists are long, and that may be. */
function toldAs(item: ListedItem) {
  const { id, partitionId: _, ...members } = item
  const { partition, level, streamId, sourceId, tenantId, reason, detail, nativeId, ...rest } = members
  const { authenticated, receivedMs, state, decidedMs, eventId } = rest
  return {
    id: String(id),
    ...{ streamId, partition, level, sourceId, tenantId, reason, detail, nativeId },
    ...{ authenticated, receivedMs, state, decidedMs, eventId },
  }
}

const unknownItem: OverlayError = {
  status: 404,
  code: 'ERR_NOT_FOUND',
  message: 'nothing was ever quarantined under that id; GET /admin/quarantine lists what was',
}

function stays(detail: string): OverlayError {
  return { status: 409, code: 'ERR_QUARANTINE_STAYS', message: `it stays as it is: ${detail}` }
}

function turnedAway(refusal: AcceptRefusal): OverlayError {
  switch (refusal.why) {
    case 'unknown-stream':
      return stays(`there is no stream "${refusal.streamId}" that it could go to; name another one`)
    case 'unpublished':
      return stays(`stream "${refusal.streamId}" takes nothing in, because it is not published`)
    case 'key-reused':
      return stays('its key was used for something else')
    default:
      return {
        status: 503,
        code: 'ERR_BUSY',
        message: `nothing can be let in now (${refusal.why}); try again in ${refusal.retryAfterS} s`,
        retryAfterSeconds: refusal.retryAfterS,
      }
  }
}
