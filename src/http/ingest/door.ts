import { setMaxListeners } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Request, type Response, Router } from 'express'
import type { Pool } from 'pg'
import { openRequestNonces } from '../../adapters/auth/request-nonces.ts'
import { isConnectionLoss, isOutOfTime } from '../../adapters/postgres/connection-loss.ts'
import type { Registry } from '../../adapters/registry/registry.ts'
import { type IngestPath, ingestPaths, type RouteLimits } from '../../core/registry/route-limits.ts'
import type { Accept, PushBack } from '../../ingest/arrived.ts'
import { repeat } from '../../runtime/repeat.ts'
import { takeTurns } from '../../runtime/take-turns.ts'
import type { Authentication } from '../authentication.ts'
import type { Problem } from '../problem.ts'
import { openBodyRoom } from '../receive-body.ts'
import { type AnswerLines, answerLines, ReaderGoneError } from './answer-lines.ts'
import { ingestAnswer } from './answers.ts'
import { networksOf } from './client-address.ts'
import { bodyIn, type Exchange, replyJson, replyOn, replyProblem } from './exchange.ts'
import type { IngestDoorEvents } from './ingest-events.ts'
import { type IngestLimits, ingestLimits } from './ingest-limits.ts'
import type { TakenRequest, TakeRequestDeps } from './opened-request.ts'
import { overlayAnswer } from './overlay-answer.ts'
import { endedIn, refusalProblem } from './refusals.ts'
import { openStreams } from './streams.ts'
import { takeRequest } from './take-request.ts'
import type { Taken } from './taken.ts'

export type IngestDoor = {
  /** Ahead of every app; true: the request is one of ours, and answered sooner or later. */
  handle(request: IncomingMessage, response: ServerResponse): boolean
  /** The same for an app; it also takes requests whose callers prove who they are (BRC-104). */
  readonly routes: Router
  stop(): Promise<void>
}

export type IngestDoorDeps = {
  readonly registry: Pick<Registry, 'source' | 'stream' | 'secrets'>
  readonly accept: Accept
  readonly pushBack: PushBack
  readonly authentication: Pick<Authentication, 'requireIdentity'>
  readonly pool: Pool
  now(): number
  readonly settings: IngestDoorSettings
  readonly limits?: Partial<IngestLimits>
  /** What every answer ahead of the app carries; in an app, the app sees to it. */
  readonly headers: Readonly<Record<string, string>>
  readonly events: IngestDoorEvents
}

export type IngestDoorSettings = {
  /** Events are taken at all. */
  readonly enabled: boolean
  readonly identityRequired: boolean
  readonly signatureTtlSeconds: number
  /** Networks that may send; empty for any. */
  readonly allowlist: readonly string[]
  /** Networks of proxies that are believed when they say whom a request came from. */
  readonly trustedProxies: readonly string[]
  /** Each source may send so much by each of the two. */
  readonly routeLimits: RouteLimits
}

const NONCE_SWEEP_MS = 30_000

/** POST /ingest/events and POST /overlay/events/ingest: one service, with two shapes of answer. */
export function openIngestDoor(deps: IngestDoorDeps): IngestDoor {
  const { events, settings } = deps
  const limits = { ...ingestLimits, ...deps.limits }
  const stopping = new AbortController()
  // Whatever is slowed down sleeps on it.
  setMaxListeners(0, stopping.signal)
  const nonces = openRequestNonces(deps.pool, deps.now)
  const requestDeps: TakeRequestDeps = {
    ...deps,
    ...settings,
    limits,
    nonces,
    room: openBodyRoom(limits),
    streams: openStreams(limits),
    isProxy: networksOf(settings.trustedProxies),
    isAllowed: settings.allowlist.length === 0 ? () => true : networksOf(settings.allowlist),
    stopping: stopping.signal,
    turns: takeTurns(),
  }

  const serve = async (exchange: Exchange, lines: AnswerLines | undefined): Promise<void> => {
    const fail = (problem: Problem) => {
      events.onRefused({
        code: problem.code,
        detail: problem.detail,
        address: exchange.request.socket.remoteAddress,
      })
      // Whatever still comes is let go by, or the client would never read the answer.
      exchange.request.resume()
      if (lines?.fail(problem) !== true) replyProblem(exchange, problem)
    }
    try {
      const outcome = await takeRequest(exchange, lines, requestDeps)
      if (outcome === undefined) return
      if ('code' in outcome) return fail(outcome)
      const { taken, source, latencyMs } = outcome
      if (taken.refusal !== undefined) return fail(endedIn(refusalProblem(taken.refusal), taken))
      events.onAnswered({ sourceId: source.sourceId, counts: taken.counts, latencyMs })
      if (lines !== undefined) lines.end(taken)
      else replyJson(exchange, answerOf(exchange.path, outcome), replayedHeader(taken))
    } catch (error) {
      // What is durable stays so, and nobody is there to be told.
      if (error instanceof ReaderGoneError) return
      const isOurs = !isConnectionLoss(error) && !isOutOfTime(error)
      events.onFailure(error, exchange.path)
      // Into half an answer nothing else may be written.
      if (exchange.lines?.headersSent === true && lines === undefined) return void exchange.lines.destroy()
      fail(isOurs ? failed : unreachable)
    }
  }
  const open = (exchange: Exchange, standing: Readonly<Record<string, string>>) => {
    const wantsLines = exchange.path === '/ingest/events' && acceptsLines(exchange.request)
    const lines =
      wantsLines && exchange.lines !== undefined
        ? answerLines(exchange.lines, standing, limits.answerMsMax)
        : undefined
    return serve(exchange, lines)
  }

  const sweeping = repeat(nonces.sweep, { everyMs: NONCE_SWEEP_MS, onFailure: events.onSweepFailure })
  return {
    handle(request, response) {
      const target = request.url ?? ''
      const path = pathOf(target)
      if (request.method !== 'POST' || path === undefined || provesItself(request)) return false
      void open(
        {
          request,
          path,
          target,
          body: { kind: 'unread' },
          reply: replyOn(response, deps.headers),
          lines: response,
        },
        deps.headers,
      )
      return true
    },
    routes: ingestRoutes(deps, limits, open),
    async stop() {
      stopping.abort()
      await sweeping.stop()
    },
  }
}

type Open = (exchange: Exchange, standing: Readonly<Record<string, string>>) => Promise<void>

function ingestRoutes(
  { authentication }: IngestDoorDeps,
  { bodyBytesMax }: IngestLimits,
  open: Open,
): Router {
  const routes = Router({ caseSensitive: true })
  for (const path of ingestPaths) {
    const proven = authentication.requireIdentity(
      (request, response, { identityKey, body }) =>
        open(
          {
            ...exchangeIn(request, response, path),
            body: { kind: 'read', bytes: body, exact: true },
            provenKey: identityKey,
            // What is signed is what these say.
            reply: (status, headers, text) => void response.status(status).set(headers).send(text),
          },
          {},
        ),
      { bodyBytesMax },
    )
    routes.post(path, (request, response, next) => {
      const exchange = exchangeIn(request, response, path)
      // One that a parser has read cannot be proven any more, and is told so.
      const isWhole = exchange.body.kind === 'unread' || exchange.body.kind === 'read'
      if (provesItself(request) && isWhole) return proven(request, response, next)
      return open({ ...exchange, lines: response }, {})
    })
  }
  return routes
}

function exchangeIn(request: Request, response: Response, path: IngestPath): Exchange {
  return {
    request,
    path,
    target: request.originalUrl,
    body: bodyIn(request),
    reply: replyOn(response, {}),
  }
}

function replayedHeader({ replayed }: Taken): Record<string, string> {
  return replayed === true ? { 'Idempotent-Replayed': 'true' } : {}
}

function pathOf(target: string): IngestPath | undefined {
  const queryAt = target.indexOf('?')
  const path = queryAt < 0 ? target : target.slice(0, queryAt)
  return ingestPaths.find(each => each === path)
}

function provesItself({ headers }: IncomingMessage): boolean {
  return headers['x-bsv-auth-identity-key'] !== undefined
}

function acceptsLines({ headers }: IncomingMessage): boolean {
  return /\bapplication\/(?:x-)?(?:ndjson|jsonl)\b/i.test(headers.accept ?? '')
}

function answerOf(path: IngestPath, { taken, ...about }: TakenRequest) {
  return path === '/ingest/events' ? ingestAnswer(taken) : overlayAnswer(taken, about)
}

const failed: Problem = {
  code: 'ingest-failed',
  detail:
    'something went wrong here; what of this request has become durable is not known, and sending it again is safe for events that carry an id, a sequence or a time, or with the same Idempotency-Key',
  retryAfterSeconds: 5,
}

const unreachable: Problem = {
  code: 'busy',
  detail: 'the database does not answer at the moment; what of this request has become durable is not known',
  retryAfterSeconds: 1,
}
