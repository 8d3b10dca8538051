import { type Request, type RequestHandler, type Response, Router } from 'express'
import type * as z from 'zod'
import { readOutgoingUrl } from '../../adapters/outgoing/read-outgoing-url.ts'
import type { FindReader } from '../../adapters/reading/readable.ts'
import type { ChangeBounds, SubscriptionChanges } from '../../adapters/subscriptions/changes.ts'
import { LIVE_SECRETS_MAX, OVERLAP_MS_DEFAULT } from '../../adapters/subscriptions/secrets.ts'
import type { ListedSubscriptions } from '../../adapters/subscriptions/subscription-rows.ts'
import type { Outcome } from '../../core/fault.ts'
import { filterOf } from '../../serve/subscriptions/filter-criteria.ts'
import type { firstPosition } from '../../serve/subscriptions/first-position.ts'
import type { Subscription } from '../../serve/subscriptions/subscription.ts'
import type { Authentication } from '../authentication.ts'
import { overlayFailures } from '../overlay-failures.ts'
import type { Problem } from '../problem.ts'
import { bad, readQuery } from '../read/query-members.ts'
import { parseJson } from '../read-json.ts'
import { sendProblem } from '../send-problem.ts'
import { wrongShape } from '../wrong-shape.ts'
import { shownDeadLetter, shownSubscription } from './shown-subscription.ts'
import {
  letterNumber,
  lettersQuery,
  listQuery,
  positionRequest,
  rotateRequest,
  subscriptionRequests,
} from './subscription-requests.ts'

export type SubscriptionRouteDeps = {
  readonly authentication: Authentication
  /** These are shown everybody's. */
  readonly adminKeys: readonly string[]
  readonly changes: SubscriptionChanges
  find(subscriptionId: string): Promise<Subscription | undefined>
  list(question: ListedSubscriptions): Promise<readonly Subscription[]>
  readonly findReader: FindReader
  firstPosition(from: string, whose: Parameters<typeof firstPosition>[1]): ReturnType<typeof firstPosition>
  newId(): string
  readonly bounds: ChangeBounds & { readonly batchEventsMax: number }
  /** Whether a callback may be called without TLS. */
  readonly mayBePlain: boolean
  /** One was changed: whoever delivers is to look. */
  onChanged(): void
  now(): number
  onFailure(error: unknown, request: Request): void
}

type Answered = { readonly status?: number; readonly body: object } | Problem

const BODY_BYTES_MAX = 64 * 1024

/** What identities store of what they want to be told, and how it goes with that. */
export function subscriptionRoutes(deps: SubscriptionRouteDeps): Router {
  const { authentication, changes, bounds, onChanged } = deps
  const requests = subscriptionRequests(bounds.batchEventsMax)
  const routes = Router({ caseSensitive: true })

  const proven = (
    work: (request: Request, caller: { identityKey: string; body: Uint8Array }) => Promise<Answered>,
  ): RequestHandler =>
    authentication.requireIdentity(
      async (request, response, caller) => {
        response.set('Cache-Control', 'private, no-store')
        answer(response, await work(request, caller))
      },
      { bodyBytesMax: BODY_BYTES_MAX },
    )
  /** One of the caller's own; of others it is as if there were none. */
  const owned = (
    work: (its: Subscription, request: Request, body: Uint8Array) => Promise<Answered>,
  ): RequestHandler =>
    proven(async (request, { identityKey, body }) => {
      const its = await deps.find(String(request.params['id']))
      return its?.ownerKey === identityKey ? work(its, request, body) : unknown
    })
  const changed = async (its: Subscription): Promise<Answered> => {
    onChanged()
    const found = await deps.find(its.subscriptionId)
    return found === undefined ? unknown : { body: shownSubscription(found) }
  }

  routes.post(
    '/overlay/subscriptions',
    proven(async (_, { identityKey, body }) => {
      const read = readBody(requests.create, body)
      if ('code' in read) return read
      const made = await make(read.value, identityKey, deps)
      if (!('code' in made)) onChanged()
      return made
    }),
  )
  routes.get(
    '/overlay/subscriptions',
    proven(async (request, { identityKey }) => {
      const query = readQuery(listQuery, request)
      if ('code' in query) return query
      const { owner = identityKey, ...rest } = query.read
      if (owner !== identityKey && !deps.adminKeys.includes(identityKey))
        return bad(
          "owner in the query: only identities in ADMIN_IDENTITY_KEYS are shown others' subscriptions",
        )
      const found = await deps.list({ ...rest, ownerKey: owner === 'any' ? undefined : owner })
      const last = found.length === rest.limit ? found.at(-1) : undefined
      return {
        body: { subscriptions: found.map(shownSubscription), nextAfter: last?.subscriptionId ?? null },
      }
    }),
  )
  routes.get(
    '/overlay/subscriptions/:id',
    proven(async (request, { identityKey }) => {
      const its = await deps.find(String(request.params['id']))
      const isTheirs = its?.ownerKey === identityKey || deps.adminKeys.includes(identityKey)
      return its !== undefined && isTheirs ? { body: shownSubscription(its) } : unknown
    }),
  )
  routes.patch(
    '/overlay/subscriptions/:id',
    owned(async (its, _, body) => {
      const read = readBody(requests.change, body)
      if ('code' in read) return read
      const { topics = its.topics, filter = its.filter } = read.value
      const against =
        againstWebhook(its.type, read.value, deps) ??
        problemOf(filterOf({ topics, filter })) ??
        againstTime(read.value, deps)
      if (against !== undefined) return against
      const { expiresAt, ...others } = read.value
      const change = { ...others, ...(expiresAt !== undefined && { expiresMs: expiresAt }) }
      return (await changes.change(its.subscriptionId, change)) ? changed(its) : expired
    }),
  )
  routes.delete(
    '/overlay/subscriptions/:id',
    owned(async its => {
      await changes.remove(its.subscriptionId)
      onChanged()
      return { body: { subscriptionId: its.subscriptionId, deleted: true } }
    }),
  )
  routes.post(
    '/overlay/subscriptions/:id/position',
    owned(async (its, _, body) => {
      const read = readBody(positionRequest, body)
      if ('code' in read) return read
      const position = await positionFor(read.value.from, its, its.ownerKey, deps)
      if (!position.ok) return bad(position.fault.detail)
      return (await changes.change(its.subscriptionId, { position: position.value })) ? changed(its) : expired
    }),
  )
  routes.post(
    '/overlay/subscriptions/:id/secrets',
    owned(async (its, _, body) => {
      const read = readBody(rotateRequest, body)
      if ('code' in read) return read
      if (its.webhook === null) return bad(`a subscription of type ${its.type} signs nothing`)
      const { overlapSeconds = OVERLAP_MS_DEFAULT / 1000 } = read.value
      const made = await changes.rotate(its.subscriptionId, overlapSeconds * 1000)
      if (made === undefined) return tooManySecrets
      return { status: 201, body: { number: made.number, secret: made.secret, overlapSeconds } }
    }),
  )
  routes.get(
    '/overlay/subscriptions/:id/dead-letters',
    owned(async (its, request) => {
      const query = readQuery(lettersQuery, request)
      if ('code' in query) return query
      const letters = await changes.deadLetters(its.subscriptionId, query.read)
      const last = letters.length === query.read.limit ? letters.at(-1) : undefined
      const nextAfter = last === undefined ? null : String(last.number)
      return { body: { deadLetters: letters.map(shownDeadLetter), nextAfter } }
    }),
  )
  routes.post(
    '/overlay/subscriptions/:id/dead-letters/:number/redeliver',
    owned(async (its, request) => {
      if (its.status === 'expired') return expired
      const number = letterNumber.safeParse(request.params['number'])
      if (!number.success || !(await changes.redeliver(its.subscriptionId, number.data))) return noLetter
      onChanged()
      return { status: 202, body: { number: String(number.data), isBeingRedelivered: true } }
    }),
  )
  routes.delete(
    '/overlay/subscriptions/:id/dead-letters/:number',
    owned(async (its, request) => {
      const number = letterNumber.safeParse(request.params['number'])
      if (!number.success || !(await changes.forgetDeadLetter(its.subscriptionId, number.data)))
        return noLetter
      return { body: { number: String(number.data), deleted: true } }
    }),
  )
  routes.use(overlayFailures(deps.onFailure))
  return routes
}

type CreateRequest = z.output<ReturnType<typeof subscriptionRequests>['create']>

async function make(read: CreateRequest, ownerKey: string, deps: SubscriptionRouteDeps): Promise<Answered> {
  const { type, clientId = ownerKey, topics, filter, callbackUrl, batchMax = 1, expiresAt, from } = read
  if (type === 'overlay') return overlayElsewhere
  if (type === 'webhook' && callbackUrl === undefined) return bad('a webhook needs a callbackUrl')
  const against = againstWebhook(type, read, deps) ?? againstTime(read, deps)
  if (against !== undefined) return against
  const position = await positionFor(from, { topics, filter }, ownerKey, deps)
  if (!position.ok) return bad(position.fault.detail)
  const subscriptionId = deps.newId()
  const made = await deps.changes.create(
    {
      ...{ subscriptionId, clientId, type, topics, filter, ownerKey, batchMax },
      ...{ callbackUrl: callbackUrl ?? null, expiresMs: expiresAt, position: position.value },
    },
    deps.bounds,
  )
  if (typeof made === 'string') return made === 'owner-full' ? ownerFull(deps.bounds) : allFull
  const its = await deps.find(subscriptionId)
  if (its === undefined) return unknown
  return {
    status: 201,
    body: { subscription: shownSubscription(its), secret: made.secret?.secret ?? null },
  }
}

async function positionFor(
  from: string,
  asked: Pick<Subscription, 'topics' | 'filter'>,
  ownerKey: string,
  deps: SubscriptionRouteDeps,
): Promise<Outcome<string>> {
  const filter = filterOf(asked)
  if (!filter.ok) return filter
  return deps.firstPosition(from, { filter: filter.value, reader: await deps.findReader(ownerKey) })
}

/** What is for webhooks alone, and what their address may be. */
function againstWebhook(
  type: Subscription['type'],
  { callbackUrl, batchMax }: { callbackUrl?: string | undefined; batchMax?: number | undefined },
  { mayBePlain }: SubscriptionRouteDeps,
): Problem | undefined {
  if (type !== 'webhook' && (callbackUrl !== undefined || batchMax !== undefined))
    return bad(`callbackUrl and batchMax are of webhooks; a subscription of type ${type} is connected to`)
  if (callbackUrl === undefined) return undefined
  const url = readOutgoingUrl(callbackUrl, { mayBePlain })
  return url.ok ? undefined : bad(`callbackUrl: ${url.host} ${url.why}`)
}

function againstTime(
  { expiresAt }: { expiresAt?: number | null | undefined },
  { now }: SubscriptionRouteDeps,
): Problem | undefined {
  return typeof expiresAt === 'number' && expiresAt <= now()
    ? bad('expiresAt is over already', 'name a later time, or DELETE the subscription')
    : undefined
}

function problemOf(outcome: Outcome<unknown>): Problem | undefined {
  return outcome.ok ? undefined : bad(outcome.fault.detail)
}

function readBody<Shape extends z.ZodType>(
  shape: Shape,
  body: Uint8Array,
): { readonly value: z.output<Shape> } | Problem {
  const json = body.length === 0 ? {} : parseJson(body)
  if (json === undefined) return bad('the body is not JSON in UTF-8')
  const read = shape.safeParse(json)
  return read.success ? { value: read.data } : bad(wrongShape('the body', read.error).message)
}

function answer(response: Response, given: Answered): void {
  if ('code' in given) sendProblem(response, given)
  else response.status(given.status ?? 200).json(given.body)
}

const unknown: Problem = {
  code: 'not-found',
  detail: 'you have no subscription of that id',
  hint: 'GET /overlay/subscriptions lists yours',
}

const noLetter: Problem = {
  code: 'not-found',
  detail: 'the subscription has no dead letter of that number',
  hint: 'list them; one that has arrived is gone',
}

const expired: Problem = { code: 'subscription-expired', detail: 'the subscription is expired' }

const overlayElsewhere: Problem = {
  code: 'bad-request',
  detail: 'an overlay host is told of certificates by its advert of their topic, and not by a subscription',
  hint: 'advertise tm_gitdata_events_certified (SHIP) on your host; docs/subscriptions.md says how it is told',
}

const tooManySecrets: Problem = {
  code: 'quota-exceeded',
  detail: `${LIVE_SECRETS_MAX} secrets are live, and as many sign each delivery at most`,
  hint: 'wait until one of them ends, or rotate with overlapSeconds 0, which ends all others at once',
  retryAfterSeconds: 3_600,
}

function ownerFull({ perOwnerMax }: ChangeBounds): Problem {
  return {
    code: 'quota-exceeded',
    detail: `you have ${perOwnerMax} subscriptions, which is as many as one identity may have`,
    hint: 'delete one that you do not need',
    retryAfterSeconds: 3_600,
  }
}

const allFull: Problem = {
  code: 'busy',
  detail: 'this node has as many subscriptions as it keeps',
  hint: 'ask its operator for room (SUBSCRIPTIONS_MAX), or another node',
  retryAfterSeconds: 3_600,
}
