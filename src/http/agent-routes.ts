import { type Request, type Response, Router } from 'express'
import * as z from 'zod'
import type { Sponsor, Sponsored } from '../adapters/agents/sponsor.ts'
import { ADVERTS_PATH, type AdvertAnswer, readAdvertRequest } from '../contract/advert-request.ts'
import type { Reputation } from '../core/rounds/coordinating/reputation.ts'
import { limitAtOnce } from './limit-at-once.ts'
import { type OverlayError, overlayError, sendError } from './overlay-error.ts'
import { overlayFailures } from './overlay-failures.ts'
import { digits, identityKey } from './read/query-members.ts'
import { readJson } from './read-json.ts'
import { bodyLimits, bodyReader } from './receive-body.ts'
import { wrongShape } from './wrong-shape.ts'

export type AgentRouteDeps = {
  readonly sponsor: Sponsor
  /** Everybody may see them: their adverts are public, and so are the results that their reputation is made of. */
  agents(): readonly ShownAgent[]
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

export type ShownAgent = {
  readonly agentKey: string
  readonly operator: string
  /** simulated: its operator and the others that this node asks are one person's. */
  readonly independence: 'claimed' | 'simulated'
  readonly stages: readonly string[]
  readonly reputation: Reputation
  readonly region: string | null
  readonly satoshisPerThousandEvents: number
  readonly reachable: boolean
  readonly latencyMs: number | null
  readonly expiresMs: number
  /** As it says itself; null where it was not asked. */
  readonly health: unknown
}

const AGENTS_SHOWN_MAX = 1_000
/** A cursor is the key of the last one that was shown. */
const pageQuery = z.strictObject({
  limit: digits(AGENTS_SHOWN_MAX).pipe(z.int().min(1)).default(AGENTS_SHOWN_MAX),
  cursor: identityKey.exactOptional(),
})

/** Four scripts of the greatest length. */
const BODY_BYTES_MAX = 40 * 1024
const REQUESTS_AT_ONCE_MAX = 32
const ANSWER_MS_MAX = 30_000

/** Who works here; and adverts for agents that have no coins of their own. */
export function agentRoutes({ sponsor, agents, onFailure }: AgentRouteDeps): Router {
  const withJson = readJson(bodyReader(bodyLimits), BODY_BYTES_MAX)
  const places = limitAtOnce(REQUESTS_AT_ONCE_MAX, ANSWER_MS_MAX)
  const routes = Router({ caseSensitive: true })
  routes.get('/agents', (request, response) => {
    const asked = pageQuery.safeParse(request.query)
    if (asked.success) response.json(pageOf(agents(), asked.data))
    else sendError(response, wrongShape('the query', asked.error))
  })
  routes.post(ADVERTS_PATH, (request, response) =>
    withJson(request, response, body =>
      places(response, async () => {
        const read = readAdvertRequest(body)
        if (!read.ok) return sendError(response, overlayError(read.fault))
        answer(response, await sponsor(read.value.scripts))
      }),
    ),
  )
  routes.use(overlayFailures(onFailure))
  return routes
}

/** Of the agents by their keys, which stay where they are while others come and go. */
function pageOf(all: readonly ShownAgent[], { limit, cursor = '' }: z.output<typeof pageQuery>) {
  const rest = all
    .filter(({ agentKey }) => agentKey > cursor)
    .sort((a, b) => (a.agentKey < b.agentKey ? -1 : 1))
  const page = rest.slice(0, limit)
  const last = rest.length > limit ? page.at(-1) : undefined
  return { agents: page, total: all.length, nextCursor: last?.agentKey ?? null }
}

function answer(response: Response, sponsored: Sponsored): void {
  if (sponsored.kind !== 'paid') sendError(response, told(sponsored))
  else response.json(answerOf(sponsored))
}

function answerOf({ txid, beef }: Extract<Sponsored, { kind: 'paid' }>): AdvertAnswer {
  return { txid, beef: Buffer.from(beef).toString('base64') }
}

function told(sponsored: Exclude<Sponsored, { kind: 'paid' }>): OverlayError {
  switch (sponsored.kind) {
    case 'refused':
      return overlayError(sponsored.outcome.fault)
    case 'stranger':
      return {
        status: 403,
        code: 'ERR_AUTH_FORBIDDEN',
        message: `this node pays for no agents of operator ${sponsored.operator}; pay for the adverts yourself, or ask its operator to list yours in EVENT_OPERATORS`,
      }
    case 'over-quota':
      return {
        status: 429,
        code: 'ERR_BUSY',
        message:
          'this node has paid for as many adverts of your operator, or of all together, as it does in a day; wait as long as Retry-After says, or pay for them yourself',
        retryAfterSeconds: Math.max(1, sponsored.retryAfterSeconds),
      }
    case 'later':
      return {
        status: 503,
        code: 'ERR_BUSY',
        message: `the adverts are not paid for yet: ${sponsored.why}; send the same scripts again`,
        retryAfterSeconds: 1,
      }
  }
}
