import { type Request, type RequestHandler, Router } from 'express'
import type * as z from 'zod'
import type { JsonObject } from '../../core/canonical-json.ts'
import { bySchema } from '../../core/schema.ts'
import type { AcceptRefusal } from '../../ingest/arrived.ts'
import { heldStates } from '../../ingest/release.ts'
import { ingestionDisabled, refusalProblem } from '../ingest/refusals.ts'
import type { Problem } from '../problem.ts'
import { quarantineId } from '../quarantine-requests.ts'
import { readQuery } from '../read/query-members.ts'
import { type Answered, changedMeanwhile, isProblem, problemOf, proven, readSeen } from './answering.ts'
import { counted } from './feed-routes.ts'
import type { OwnRelease, OwnWaive } from './own-quarantine.ts'
import type { PublisherRouteDeps } from './publisher-ports.ts'
import { ownQuarantineQuery, ownReleaseRequest, ownWaiveRequest } from './publisher-requests.ts'
import { shownHeld, shownHeldWhole } from './shown.ts'

/** An edit may replace a whole payload. */
const BODY_BYTES_MAX = 2 * 1024 * 1024

/** What was set aside of what publishers have sent, and what they decide over it. */
export function quarantineRoutes(deps: PublisherRouteDeps): Router {
  const { authentication, quarantine } = deps
  const routes = Router({ caseSensitive: true })

  routes.get(
    '/publishers/quarantine',
    proven(authentication, async (request, { identityKey }) => {
      const query = readQuery(ownQuarantineQuery, request)
      if ('code' in query) return query
      const { state, reason, limit, ...where } = query.read
      const found = await quarantine.list({
        ...{ identityKey, ...where, limit: limit + 1 },
        states: state === undefined ? heldStates : [state],
        ...(reason !== undefined && { reasons: [reason] }),
      })
      const page = found.slice(0, limit)
      const last = found.length > limit ? page.at(-1) : undefined
      return { body: { items: page.map(shownHeld), nextBefore: last === undefined ? null : String(last.id) } }
    }),
  )
  routes.get(
    '/publishers/quarantine/:id',
    proven(authentication, (request, { identityKey }) => itemAnswer(request, identityKey, deps)),
  )
  /** Decides, and shows what came of it. */
  const deciding = <Shape extends z.ZodType>(
    shape: Shape,
    decide: (asked: Asked, read: z.output<Shape>) => Promise<Problem | undefined>,
  ): RequestHandler =>
    proven(
      authentication,
      async (request, { identityKey, body }) => {
        const answered = async (): Promise<Answered> => {
          const seen = readSeen(request, body)
          if (isProblem(seen)) return seen
          const read = readDecision(shape, seen.rest)
          if ('problem' in read) return read.problem
          const id = quarantineId.safeParse(request.params['id'])
          if (!id.success) return nothingHeld
          const asked = { id: id.data, identityKey, seen: seen.version }
          return (await decide(asked, read.value)) ?? itemAnswer(request, identityKey, deps)
        }
        return counted('quarantine', await answered(), deps)
      },
      BODY_BYTES_MAX,
    )
  routes.post(
    '/publishers/quarantine/:id/release',
    deciding(ownReleaseRequest, async (asked, { edit, streamId, override }) =>
      againstRelease(
        await quarantine.release({
          ...asked,
          override,
          ...(edit !== undefined && { edit }),
          ...(streamId !== undefined && { streamId }),
        }),
      ),
    ),
  )
  routes.post(
    '/publishers/quarantine/:id/waive',
    deciding(ownWaiveRequest, async (asked, { why }) =>
      againstWaive(await quarantine.waive({ ...asked, why })),
    ),
  )
  return routes
}

type Asked = { readonly id: number; readonly identityKey: string; readonly seen: string }

function readDecision<Shape extends z.ZodType>(shape: Shape, rest: JsonObject) {
  const read = bySchema(shape, rest, 'registration-invalid')
  return read.ok ? { value: read.value } : { problem: problemOf(read.fault) }
}

async function itemAnswer(
  request: Request,
  identityKey: string,
  { quarantine }: Pick<PublisherRouteDeps, 'quarantine'>,
): Promise<Answered> {
  const id = quarantineId.safeParse(request.params['id'])
  const found = id.success ? await quarantine.inspect(id.data, identityKey) : undefined
  return found === undefined
    ? nothingHeld
    : { body: shownHeldWhole(found, identityKey), version: found.item.version }
}

/** Why an item is not let in; undefined where it is. */
function againstRelease(outcome: OwnRelease): Problem | undefined {
  switch (outcome.kind) {
    case 'released':
      return undefined
    case 'unknown':
      return nothingHeld
    case 'forbidden':
      return outcome.what === undefined ? nothingHeld : othersWord[outcome.what]
    case 'overtaken':
      return changedMeanwhile(outcome.version)
    case 'stays':
      return stays(outcome.detail)
    case 'turned-away':
      return turnedAway(outcome.refusal)
    case 'closed':
      return ingestionDisabled
  }
}

function againstWaive(outcome: OwnWaive): Problem | undefined {
  switch (outcome.kind) {
    case 'waived':
      return undefined
    case 'unknown':
      return nothingHeld
    case 'overtaken':
      return changedMeanwhile(outcome.version)
    case 'stays':
      return stays(
        outcome.state === 'released' ? 'it has been released, and is in the log' : 'it was waived before',
      )
  }
}

/** The same words for what is somebody else's and for what is not there. */
const nothingHeld: Problem = {
  code: 'not-found',
  detail: 'nothing of yours was ever held under this id',
  hint: 'GET /publishers/quarantine lists what was',
}

const othersWord: Record<'edit' | 'override', Problem> = {
  edit: {
    code: 'identity-mismatch',
    detail: '/edit: it came from a feed of another publisher, who alone may change what it says',
    hint: 'release it as it is, or waive it',
    more: { pointer: '/edit' },
  },
  override: {
    code: 'identity-mismatch',
    detail: '/override: which times are let in is decided for the feed that it came from, which is not yours',
    hint: 'ask whoever has the feed to release it, or waive it',
    more: { pointer: '/override' },
  },
}

function stays(detail: string): Problem {
  return { code: 'quarantine-stays', detail: `it stays as it is: ${detail}` }
}

function turnedAway(refusal: AcceptRefusal): Problem {
  switch (refusal.why) {
    case 'unknown-stream':
      return stays(`there is no stream "${refusal.streamId}" that it could go to; name another one`)
    case 'unpublished':
      return stays(
        `stream "${refusal.streamId}" takes nothing in, because it is not published; publish it first`,
      )
    case 'key-reused':
      return stays('its key was used for something else')
    default:
      return refusalProblem(refusal)
  }
}
