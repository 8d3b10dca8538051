import { type Request, Router } from 'express'
import * as z from 'zod'
import type { Listed, Page, ShownAgent } from '../adapters/rounds/read-jobs.ts'
import { hex } from '../core/schema.ts'
import type { Log } from '../runtime/log.ts'
import { answerAdmin, askedByAdmin } from './admin-answer.ts'
import { adminGuard } from './admin-guard.ts'
import { PAGE_LIMIT_MAX } from './admin-requests.ts'
import type { Authentication } from './authentication.ts'
import { limitAtOnce } from './limit-at-once.ts'
import type { OverlayError } from './overlay-error.ts'
import { overlayFailures } from './overlay-failures.ts'
import { wrongShape } from './wrong-shape.ts'

export type JobRouteDeps = {
  readonly authentication: Authentication
  /** Who may: whoever carries this token, and whoever proves one of these identities. */
  readonly token: string | undefined
  readonly identityKeys: readonly string[]
  readonly jobs: Jobs
  /** Every change, with who made it. */
  readonly log: Log
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

/** Rounds and what came of them, and the one thing that may be done: to take up again what was given up. */
export type Jobs = {
  rounds(page: Page, state: string | undefined): Promise<readonly Listed[]>
  round(roundId: string): Promise<object | undefined>
  conflicts(page: Page, packetId: string | undefined): Promise<readonly Listed[]>
  evidence(page: Page, agentKey: string | undefined): Promise<readonly Listed[]>
  deadLetters(page: Page, state: string | undefined): Promise<readonly Listed[]>
  agents(limit: number): Promise<readonly ShownAgent[]>
  /** Where two answers to one packet part ways; undefined where there is no such conflict. */
  difference(id: number): Promise<{ readonly shown: object } | { readonly why: string } | undefined>
  /** Undefined where there is no such letter. */
  redrive(id: number, by: string): Promise<'reopened' | 'not-split' | 'state-gone' | undefined>
}

const BODY_BYTES_MAX = 1024
const REQUESTS_AT_ONCE_MAX = 8
const ANSWER_MS_MAX = 60_000

/** For whoever looks after a node's rounds. */
export function jobRoutes(deps: JobRouteDeps): Router {
  const { jobs, log } = deps
  const guard = adminGuard({ ...deps, bodyBytesMax: BODY_BYTES_MAX })
  const places = limitAtOnce(REQUESTS_AT_ONCE_MAX, ANSWER_MS_MAX)
  const asking = askedByAdmin(guard, places)
  const routes = Router({ caseSensitive: true })

  const list = (
    path: string,
    filter: z.ZodType<string | undefined>,
    name: string,
    read: (page: Page, by: string | undefined) => Promise<readonly Listed[]>,
  ) => {
    routes.get(
      path,
      asking(async ({ query: { [name]: asked, ...rest } }) => {
        const by = filter.safeParse(asked)
        if (!by.success) return wrongShape('the query', by.error)
        const parsed = z.strictObject(page).safeParse(rest)
        if (!parsed.success) return wrongShape('the query', parsed.error)
        const { limit } = parsed.data
        const items = await read(parsed.data, by.data)
        const last = items.length >= limit ? items.at(-1) : undefined
        return { data: { items, below: last === undefined ? null : String(last.id) } }
      }),
    )
  }
  list('/admin/rounds', z.enum(roundStates).optional(), 'state', jobs.rounds)
  list('/admin/conflicts', hex(32).optional(), 'packetId', jobs.conflicts)
  list('/admin/evidence', hex(33).optional(), 'agentKey', jobs.evidence)
  list('/admin/dead-letters', z.enum(['dead', 'redriven']).optional(), 'state', jobs.deadLetters)

  routes.get(
    '/admin/rounds/:id',
    asking(async ({ params }) => {
      const id = hex(32).safeParse(params['id'])
      const found = id.success ? await jobs.round(id.data) : undefined
      return found === undefined ? unknown('round') : { data: found }
    }),
  )
  routes.get(
    '/admin/conflicts/:id/difference',
    asking(async ({ params }) => {
      const id = digits.safeParse(params['id'])
      const found = id.success ? await jobs.difference(id.data) : undefined
      if (found === undefined) return unknown('conflict')
      return 'why' in found
        ? { status: 404, code: 'ERR_NOT_FOUND', message: found.why }
        : { data: found.shown }
    }),
  )
  routes.get(
    '/admin/agents',
    asking(async ({ query }) => {
      const parsed = z.strictObject({ limit: page.limit }).safeParse(query)
      if (!parsed.success) return wrongShape('the query', parsed.error)
      return { data: { items: await jobs.agents(parsed.data.limit) } }
    }),
  )
  routes.post(
    '/admin/dead-letters/:id/redrive',
    guard((request, response, who) =>
      places(response, () =>
        answerAdmin(response, async () => {
          const id = digits.safeParse(request.params['id'])
          const done = id.success ? await jobs.redrive(id.data, who) : undefined
          if (done === undefined) return unknown('dead letter')
          if (done === 'state-gone') return { status: 404, code: 'ERR_NOT_FOUND', message: stateGone }
          if (done === 'not-split')
            return { message: 'its packet is not given up any more: it was taken up again, or is certified' }
          log.info({ who, action: 'redrive', deadLetter: id.data }, 'an admin has acted')
          return { message: 'the packet has a fresh set of tries, under the policy that it had' }
        }),
      ),
    ),
  )
  routes.use(overlayFailures(deps.onFailure))
  return routes
}

const stateGone =
  'the state that its packet builds on is not here any more, so no agent could work on it: nothing was changed, and it stays given up'
const roundStates = ['open', 'certifying', 'closing', 'lost', 'over'] as const
const digits = z
  .string()
  .regex(/^\d{1,16}$/, 'not a whole number')
  .transform(Number)
  .pipe(z.int().min(0))
const page = {
  below: digits.optional(),
  limit: digits.pipe(z.int().min(1).max(PAGE_LIMIT_MAX)).default(50),
}

function unknown(what: string): OverlayError {
  return { status: 404, code: 'ERR_NOT_FOUND', message: `there is no such ${what}` }
}
