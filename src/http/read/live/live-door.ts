import { randomUUID } from 'node:crypto'
import type { IncomingMessage, Server } from 'node:http'
import { type Request, type Response, Router } from 'express'
import { WebSocketServer } from 'ws'
import type { Tickets } from '../../../adapters/reading/live/tickets.ts'
import type { FindReader } from '../../../adapters/reading/readable.ts'
import type { LiveStage } from '../../../core/live/track.ts'
import { repeat } from '../../../runtime/repeat.ts'
import type { Hub } from '../../../serve/live/hub.ts'
import { eventsRoute, watchRoute } from '../../../serve/live/live-routes.ts'
import type { Attached, LiveRoute, Sink } from '../../../serve/live/ports.ts'
import type { SealedPositions } from '../../../serve/live/resume-token.ts'
import type { Authentication } from '../../authentication.ts'
import { overlayFailures } from '../../overlay-failures.ts'
import type { Problem } from '../../problem.ts'
import { sendProblem } from '../../send-problem.ts'
import { serveUpgrades } from '../../serve-upgrades.ts'
import { openLivePlaces } from './live-places.ts'
import { readLiveRequest, type StoredViews } from './live-request.ts'
import { openSseSink } from './sse-sink.ts'
import { closeWith, openWebSocketSink } from './web-socket-sink.ts'

export type LiveDoorDeps = {
  readonly hub: Hub
  readonly tickets: Tickets
  readonly findReader: FindReader
  readonly positions: Pick<SealedPositions, 'unseal'>
  readonly authentication: Authentication
  /** Of certified events alone. */
  readonly views?: StoredViews
  readonly bounds: LiveDoorBounds
  /** Where a request comes from. */
  addressOf(request: IncomingMessage): string | undefined
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
  onSocketFailure(error: unknown): void
}

export type LiveDoorBounds = {
  readonly watchClientsMax: number
  readonly eventsClientsMax: number
  /** From one address; half of all without it. */
  readonly perAddressMax?: number
  readonly sseEnabled: boolean
  readonly webSocketEnabled: boolean
  /** Whoever has not answered the one ping by the next is gone. */
  readonly pingMs: number
}

export type LiveDoor = {
  readonly routes: Router
  /** Takes WebSockets on the same paths. */
  upgrade(server: Server): void
  /** What still waits for a pong need not be waited for. */
  stop(): void
  /** Nobody looks any more whether stored views may still be followed. */
  rest(): Promise<void>
}

/** Live events, as SSE and as WebSocket on the same path, and tickets for those who have to prove who they are. */
export function openLiveDoor(deps: LiveDoorDeps): LiveDoor {
  const { authentication, bounds, onFailure } = deps
  const routes = Router({ caseSensitive: true })
  let stopping = false
  const isStopping = () => stopping
  const { views: _, ...withoutViews } = deps
  const following = new Map<Attached, string>()
  const lookingAfter = repeat(() => endNotActive(following, deps.views), {
    everyMs: VIEWS_LOOK_MS,
    onFailure: deps.onSocketFailure,
  })
  const webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: SAID_BYTES_MAX,
    perMessageDeflate: false,
  })
  const paths = [
    openPath(
      {
        path: '/watch',
        route: watchRoute,
        clientsMax: bounds.watchClientsMax,
        ...{ isStopping, following, ...withoutViews },
      },
      webSockets,
    ),
    openPath(
      {
        path: '/overlay/events/stream',
        route: eventsRoute,
        stages: ['certified'],
        clientsMax: bounds.eventsClientsMax,
        ...{ isStopping, following, ...deps },
      },
      webSockets,
    ),
  ]
  for (const { path, route, serve } of paths) {
    routes.get(path, serve)
    routes.post(
      `${path}/tickets`,
      authentication.requireIdentity(async (_, response, { identityKey }) => {
        const given = await deps.tickets.give(identityKey, route.name)
        if (given === undefined) return sendProblem(response, tooManyTickets)
        const { ticket, expiresMs } = given
        response.set('Cache-Control', 'private, no-store')
        response.status(201).json({ ticket, expiresAt: new Date(expiresMs).toISOString(), path })
      }),
    )
  }
  routes.use(overlayFailures(onFailure))
  return {
    routes,
    upgrade(server) {
      for (const { path, take } of paths) serveUpgrades(server, path, take)
    },
    stop() {
      stopping = true
      for (const webSocket of webSockets.clients)
        if (webSocket.readyState === webSocket.OPEN) closeWith(webSocket, GOING_AWAY, 'shutdown')
    },
    rest: lookingAfter.stop,
  }
}

/** Whoever follows a view that is paused or over is let go, with where it stands. */
async function endNotActive(following: ReadonlyMap<Attached, string>, views: StoredViews | undefined) {
  if (views === undefined || following.size === 0) return
  const ended = new Set(await views.notActive([...new Set(following.values())]))
  for (const [attached, subscriptionId] of following)
    if (ended.has(subscriptionId)) attached.end('subscription-ended')
}

const VIEWS_LOOK_MS = 1_000

type PathDeps = LiveDoorDeps & {
  readonly path: string
  readonly route: LiveRoute
  readonly stages?: readonly LiveStage[]
  readonly clientsMax: number
  isStopping(): boolean
  /** Who follows which stored view. */
  readonly following: Map<Attached, string>
}

function openPath(deps: PathDeps, webSockets: WebSocketServer) {
  const { path, route, clientsMax, isStopping, following, bounds, addressOf, hub } = deps
  const places = openLivePlaces(clientsMax, bounds.perAddressMax)

  /** Has it served, or says why it is not. */
  const admit = async (
    request: IncomingMessage,
    open: () => Sink,
  ): Promise<(Pick<Attached, 'leave'> & { readonly isThere: true }) | { readonly problem: Problem }> => {
    if (isStopping()) return { problem: leaving }
    const leave = places.enter(addressOf(request))
    if (typeof leave === 'string') return { problem: leave === 'all' ? full(clientsMax) : tooManyFromThere }
    try {
      const asked = await readLiveRequest(request, deps)
      if ('problem' in asked) {
        leave()
        return asked
      }
      const attached = await hub.attach({ ...asked, route, clientId: randomUUID(), open })
      if (attached === 'too-many-filters' || attached === 'stopping') {
        leave()
        return { problem: attached === 'stopping' ? leaving : tooManyFilters }
      }
      if (attached.ok) {
        if (asked.subscriptionId !== undefined) following.set(attached.value, asked.subscriptionId)
        return {
          isThere: true,
          leave() {
            leave()
            following.delete(attached.value)
            attached.value.leave()
          },
        }
      }
      leave()
      return { problem: { code: 'bad-request', detail: attached.fault.detail } }
    } catch (error) {
      leave()
      throw error
    }
  }

  const serve = async (request: Request, response: Response) => {
    if (!bounds.sseEnabled) return sendProblem(response, disabled('SSE'))
    // A stream that nothing is told of would only take somebody's place.
    if (request.method === 'HEAD') return void response.type('text/event-stream').end()
    const admitted = await admit(request, () => openSseSink(response))
    if ('problem' in admitted) return sendProblem(response, admitted.problem)
    const { socket } = request
    const leave = () => {
      socket.off('close', leave)
      admitted.leave()
    }
    // An answer that waits for its turn on a connection is not told that this has gone.
    socket.once('close', leave)
    response.once('close', leave)
    // It may have gone while it was asked about.
    if (response.closed || socket.destroyed) leave()
  }

  const take: Parameters<typeof serveUpgrades>[2] = (request, socket, head) => {
    webSockets.handleUpgrade(request, socket, head, webSocket => {
      // Whatever is wrong with it, it is closed by itself after this.
      webSocket.on('error', () => undefined)
      if (!bounds.webSocketEnabled)
        return closeWith(webSocket, POLICY_VIOLATION, 'WebSockets are switched off here')
      let isAlive = true
      const pinging = setInterval(() => {
        if (!isAlive) return webSocket.terminate()
        isAlive = false
        webSocket.ping()
      }, bounds.pingMs)
      webSocket.on('pong', () => {
        isAlive = true
      })
      webSocket.once('close', () => clearInterval(pinging))
      const admitted = admit(request, () => openWebSocketSink(webSocket, socket))
      admitted.then(
        outcome => {
          if ('problem' in outcome)
            return closeWith(webSocket, closeCode(outcome.problem), outcome.problem.detail)
          webSocket.once('close', outcome.leave)
          if (webSocket.readyState === webSocket.CLOSED) outcome.leave()
        },
        error => {
          deps.onSocketFailure(error)
          closeWith(webSocket, INTERNAL_ERROR, 'something went wrong here; connect again later')
        },
      )
    })
  }
  return { path, route, serve, take }
}

/** Whoever follows has nothing to say. */
const SAID_BYTES_MAX = 4 * 1024
const GOING_AWAY = 1001
const POLICY_VIOLATION = 1008
const INTERNAL_ERROR = 1011
const TRY_AGAIN_LATER = 1013

function closeCode({ code }: Problem): number {
  return code === 'busy' || code === 'rate-limited' || code === 'too-many-filters'
    ? TRY_AGAIN_LATER
    : POLICY_VIOLATION
}

function full(clientsMax: number): Problem {
  return {
    code: 'busy',
    detail: `${clientsMax} clients follow this stream already, which is as many as this node takes`,
    hint: 'wait as long as Retry-After says, and connect again; or connect to another node',
    retryAfterSeconds: 5,
  }
}

const tooManyFilters: Problem = {
  code: 'too-many-filters',
  detail: 'as many different filters are followed here as this node asks about every event',
  hint: 'ask for what others ask for too, and pick from it yourself; or connect to another node, or again later',
  retryAfterSeconds: 5,
}

const leaving: Problem = {
  code: 'busy',
  detail: 'this node is stopping',
  hint: 'connect again in a moment, here or to another node',
  retryAfterSeconds: 2,
}

const tooManyFromThere: Problem = {
  code: 'rate-limited',
  detail: 'too many clients follow this stream from the same address already',
  hint: 'close one of them, and connect again',
  retryAfterSeconds: 5,
}

const tooManyTickets: Problem = {
  code: 'rate-limited',
  detail: 'this identity has as many tickets as it may have that nobody has used',
  hint: 'use one of them, or wait until they expire',
  retryAfterSeconds: 60,
}

function disabled(what: string): Problem {
  return { code: 'stream-disabled', detail: `${what} is switched off on this node` }
}
