import { type Request, type RequestHandler, Router } from 'express'
import type { Pool } from 'pg'
import type * as z from 'zod'
import { ban, listBans, unban } from '../adapters/discovery/bans.ts'
import type { HostRecord } from '../adapters/indexes/host-adverts-index.ts'
import type { Outgoing } from '../adapters/outgoing/outgoing.ts'
import { evictOutput } from '../adapters/overlay/evict-output.ts'
import type { Hosted } from '../adapters/overlay/hosted.ts'
import type { Network } from '../core/network.ts'
import type { Log } from '../runtime/log.ts'
import type { AdminActions } from './admin-actions.ts'
import { type AdminAnswer, answerAdmin, askedByAdmin } from './admin-answer.ts'
import { adminGuard } from './admin-guard.ts'
import {
  banRequest,
  healthCheckRequest,
  outpointRequest,
  type Page,
  readPage,
  removeRequest,
} from './admin-requests.ts'
import type { Authentication } from './authentication.ts'
import { checkHealth } from './check-health.ts'
import { limitAtOnce } from './limit-at-once.ts'
import { type OverlayError, sendError } from './overlay-error.ts'
import { overlayFailures } from './overlay-failures.ts'
import { readJson } from './read-json.ts'
import { bodyLimits, bodyReader } from './receive-body.ts'
import { wrongShape } from './wrong-shape.ts'

export type AdminRouteDeps = {
  readonly authentication: Authentication
  /** Who may: whoever carries this token, and whoever proves one of these identities. */
  readonly token: string | undefined
  readonly identityKeys: readonly string[]
  readonly nodeName: string
  readonly network: Network
  readonly startedAtMs: number
  now(): number
  readonly pool: Pool
  readonly hosted: Hosted
  readonly actions: AdminActions
  readonly outgoing: Outgoing
  /** Every change, with who made it. */
  readonly log: Log
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

const JSON_BYTES_MAX = 64 * 1024
const REQUESTS_AT_ONCE_MAX = 16
/** A janitor's round may take its time. */
const ANSWER_MS_MAX = 120_000

/** What only an operator may see and do, as overlay hosts have it. */
export function adminRoutes(deps: AdminRouteDeps): Router {
  const { pool, hosted, actions, now, log } = deps
  const guard = adminGuard({ ...deps, bodyBytesMax: JSON_BYTES_MAX })
  const withJson = readJson(bodyReader(bodyLimits), JSON_BYTES_MAX)
  const places = limitAtOnce(REQUESTS_AT_ONCE_MAX, ANSWER_MS_MAX)
  const routes = Router({ caseSensitive: true })

  const asking = askedByAdmin(guard, places)
  const asked = (work: (page: Page) => Promise<AdminAnswer>): RequestHandler =>
    asking(async request => {
      const read = readPage(request)
      return read.success ? work(read.data) : wrongShape('the query', read.error)
    })
  const acting = (action: string, work: () => Promise<AdminAnswer>): RequestHandler =>
    guard((_, response, who) =>
      places(response, async () => {
        log.info({ who, action }, 'an admin has acted')
        await answerAdmin(response, work)
      }),
    )
  const changing = <Shape extends z.ZodType>(
    action: string,
    shape: Shape,
    work: (read: z.output<Shape>) => Promise<AdminAnswer>,
  ): RequestHandler =>
    guard((request, response, who) =>
      withJson(request, response, body =>
        places(response, async () => {
          const read = shape.safeParse(body)
          if (!read.success) return sendError(response, wrongShape('the body', read.error))
          log.info({ who, action, asked: read.data }, 'an admin has acted')
          await answerAdmin(response, () => work(read.data))
        }),
      ),
    )

  routes.get('/admin/config', (_, response) => {
    response.json({ adminIdentityKey: deps.identityKeys[0] ?? null, nodeName: deps.nodeName })
  })
  routes.get(
    '/admin/stats',
    asking(async () => ({ data: stats(deps) })),
  )
  const adverts = (protocol: 'SHIP' | 'SLAP') =>
    asked(async ({ page, limit, search }) => {
      const { records, total } = await actions.listAdverts(protocol, { ...rowsOf(page, limit), search })
      const shown = records.map(each => toldAs(protocol, each))
      return { data: { records: shown, ...pagesOf(total, page, limit) } }
    })
  routes.get('/admin/ship-records', adverts('SHIP'))
  routes.get('/admin/slap-records', adverts('SLAP'))
  routes.get(
    '/admin/bans',
    asked(async ({ page, limit, type }) => {
      const { bans, total } = await listBans(pool, { type, ...rowsOf(page, limit) })
      const shown = bans.map(({ bannedMs, ...each }) => ({ ...each, bannedAt: timeOf(bannedMs) }))
      return { data: { bans: shown, ...pagesOf(total, page, limit) } }
    }),
  )

  routes.post(
    '/admin/ban',
    changing('ban', banRequest, async asked => {
      await ban(pool, { ...asked, bannedMs: now() })
      return { message: `${asked.type} ${asked.value} is banned` }
    }),
  )
  routes.post(
    '/admin/unban',
    changing('unban', banRequest, async ({ type, value }) => {
      const was = await unban(pool, type, value)
      return { message: was ? `${type} ${value} is banned no longer` : `${type} ${value} was not banned` }
    }),
  )
  routes.post(
    '/admin/evictOutpoint',
    changing('evict', outpointRequest, async asked => {
      const services = servicesOf(hosted, asked.service)
      if (services === undefined) return unknownService(asked.service)
      await evictOutput(pool, services, asked, now())
      return {
        message: `${asked.txid}.${asked.outputIndex} is in no answer of ${asked.service ?? 'any service'}`,
      }
    }),
  )
  routes.post(
    '/admin/remove-token',
    changing('remove', removeRequest, async asked => {
      const { txid, outputIndex } = asked
      const services = servicesOf(hosted, asked.service)
      if (services === undefined) return unknownService(asked.service)
      // Before the advert goes, for afterwards nobody here knows what host it named.
      const domain = asked.banDomain ? await actions.domainOf(txid, outputIndex) : undefined
      const reasoned = { reason: asked.reason ?? null, bannedMs: now() }
      if (asked.ban) await ban(pool, { type: 'outpoint', value: `${txid}.${outputIndex}`, ...reasoned })
      if (domain !== undefined) await ban(pool, { type: 'domain', value: domain, ...reasoned })
      await evictOutput(pool, services, asked, now())
      return {
        data: { removed: `${txid}.${outputIndex}`, bannedOutpoint: asked.ban, bannedDomain: domain ?? null },
      }
    }),
  )
  routes.post(
    '/admin/health-check',
    changing('health-check', healthCheckRequest, async ({ url }) => ({
      data: await checkHealth(deps.outgoing, url, now),
    })),
  )
  routes.post(
    '/admin/janitor',
    acting('janitor', async () => ({ data: await actions.runJanitor() })),
  )
  routes.post(
    '/admin/syncAdvertisements',
    acting('syncAdvertisements', async () => {
      await actions.syncAdvertisements()
      return { message: 'what is advertised is what this node hosts' }
    }),
  )
  routes.post(
    '/admin/startGASPSync',
    acting('startGASPSync', async () => {
      await actions.startSync()
      return { message: 'what other hosts have and this node lacks is being fetched' }
    }),
  )
  routes.use(overlayFailures(deps.onFailure))
  return routes
}

function stats({ nodeName, network, startedAtMs, now, hosted }: AdminRouteDeps) {
  return {
    nodeName,
    network,
    startedAt: timeOf(startedAtMs),
    uptimeMs: now() - startedAtMs,
    topicManagers: Object.keys(hosted.managers).sort(),
    lookupServices: Object.keys(hosted.services).sort(),
  }
}

function rowsOf(page: number, limit: number) {
  return { offset: (page - 1) * limit, limit }
}

function pagesOf(total: number, page: number, limit: number) {
  return { total, page, limit, pages: Math.ceil(total / limit) }
}

function toldAs(protocol: 'SHIP' | 'SLAP', { name, createdMs, ...advert }: HostRecord) {
  const named = protocol === 'SHIP' ? { topic: name } : { service: name }
  return { ...advert, ...named, createdAt: timeOf(createdMs) }
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString()
}

/** All of them, or the one named. */
function servicesOf({ services }: Hosted, name: string | undefined) {
  if (name === undefined) return Object.values(services)
  const service = Object.hasOwn(services, name) ? services[name] : undefined
  return service && [service]
}

function unknownService(name = ''): OverlayError {
  return {
    status: 400,
    code: 'ERR_LOOKUP_SERVICE_NOT_FOUND',
    message: `this node does not host "${name}"; GET /listLookupServiceProviders names what it hosts`,
  }
}
