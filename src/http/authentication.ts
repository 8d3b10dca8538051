import { type Request, type RequestHandler, type Response, Router } from 'express'
import type { Pool } from 'pg'
import type { AuthEvents } from '../adapters/auth/auth-events.ts'
import { proveRequest, shakeHands } from '../adapters/auth/one-request-peer.ts'
import { quietWallet } from '../adapters/auth/quiet-wallet.ts'
import {
  type AuthSession,
  openSessionStore,
  type SessionLimits,
  sessionLimits,
} from '../adapters/auth/session-store.ts'
import type { Issuer } from '../contract/tokens.ts'
import { repeat } from '../runtime/repeat.ts'
import { isPlainTarget, readAuthHeaders } from './auth-headers.ts'
import { authRefusals, noRoomForSessions } from './auth-refusals.ts'
import { limitAtOnce } from './limit-at-once.ts'
import { type OverlayError, sendError } from './overlay-error.ts'
import { overlayFailures } from './overlay-failures.ts'
import { readHandshake } from './read-handshake.ts'
import { readJson } from './read-json.ts'
import { type BodyLimits, bodyLimits, bodyReader } from './receive-body.ts'

/** BRC-103/104 for an express app. */
export type Authentication = {
  /** The handshake; mounted at the root, ahead of every route that asks who is calling. */
  readonly routes: Router
  /** Whether the request says who asks; whether that is so, `requireIdentity` finds out. */
  namesIdentity(request: Request): boolean
  /**
   * A handler that only a proven caller reaches; everybody else is answered here. The answer is signed, so it is given
   * with response.status().set().json() or send() and a body: streams and empty answers never reach the client.
   */
  requireIdentity(
    handle: (request: Request, response: Response, caller: Caller) => Promise<void> | void,
    options?: { readonly bodyBytesMax?: number },
  ): RequestHandler
}

export type Caller = {
  /** 33 bytes in lower-case hex. */
  readonly identityKey: string
  /** As it came, to the byte. */
  readonly body: Uint8Array
}

export type AuthenticationLimits = SessionLimits &
  BodyLimits & {
    readonly handshakesAtOnceMax: number
    /** From the headers of a request until its answer is out. */
    readonly requestsAtOnceMax: number
    /** Where a route says nothing else. */
    readonly bodyBytesMax: number
    /** So long a client may take to read its answer. */
    readonly answerMsMax: number
    readonly sweepMs: number
  }

export const authenticationLimits: AuthenticationLimits = {
  ...sessionLimits,
  ...bodyLimits,
  handshakesAtOnceMax: 32,
  requestsAtOnceMax: 256,
  bodyBytesMax: 1024 * 1024,
  answerMsMax: 60_000,
  sweepMs: 10_000,
}

export type AuthenticationDeps = {
  /** Of this node; nodes on one database share it, as they share their sessions. */
  readonly identity: Issuer
  readonly pool: Pool
  now(): number
  readonly limits?: Partial<AuthenticationLimits>
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
  readonly events: AuthEvents
}

export type OpenAuthentication = Authentication & {
  /** Sessions on the database, as counted last. */
  sessionCount(): number
  stop(): Promise<void>
}

export function openAuthentication(deps: AuthenticationDeps): OpenAuthentication {
  const { identity, pool, now, events } = deps
  const limits = { ...authenticationLimits, ...deps.limits }
  const wallet = quietWallet(identity)
  const sessions = openSessionStore(pool, now, limits)
  const withBody = bodyReader(limits)
  const withJson = readJson(withBody, HANDSHAKE_BYTES_MAX)
  const handshakes = limitAtOnce(limits.handshakesAtOnceMax, limits.answerMsMax)
  const requests = limitAtOnce(limits.requestsAtOnceMax, limits.answerMsMax)
  const failures = overlayFailures(deps.onFailure)
  const refuse = (response: Response, error: OverlayError) => {
    events.onRefused(error.code)
    sendError(response, error)
  }

  const greet = async (request: Request, response: Response, body: unknown) => {
    const handshake = readHandshake(body)
    if ('code' in handshake) return refuse(response, handshake)
    try {
      await shakeHands(wallet, request, response, handshake, async session => {
        if ((await sessions.add(session)) === 'full') throw new NoRoom()
      })
      events.onHandshake('done')
    } catch (error) {
      if (!(error instanceof NoRoom)) throw error
      events.onHandshake('full')
      refuse(response, noRoomForSessions(limits))
    }
  }

  /** Who the request says to be, where there is such a session; undefined where it is answered. */
  const known = async (request: Request, response: Response) => {
    const asked = readAuthHeaders(request.headers)
    if ('code' in asked) return void refuse(response, asked)
    if (!isPlainTarget(request)) return void refuse(response, authRefusals.target)
    const session = await sessions.find(asked.sessionNonce)
    if (session === undefined) return void refuse(response, authRefusals.ended)
    if (session.identityKey !== asked.identityKey) return void refuse(response, authRefusals.otherIdentity)
    return { session, nonce: asked.nonce }
  }

  const prove = async (request: Request, response: Response, { session, nonce }: Claim) => {
    const unsign = await proveRequest(wallet, request, response, session).catch(() => undefined)
    // Whatever the SDK had against it: the wallet fails at nothing else.
    if (unsign === undefined) return void refuse(response, authRefusals.signature)
    // Only now, so that nobody without the key can use nonces up.
    const use = await sessions.use(session.sessionNonce, nonce)
    if (use === 'fresh') return session.identityKey
    // Stock clients begin another session where they are told so without a signature, and only there.
    unsign()
    return void refuse(response, use === 'ended' ? authRefusals.ended : authRefusals.repeated)
  }

  // Strict, as the middleware takes no other spelling for a handshake, not even one with a slash behind it.
  const routes = Router({ caseSensitive: true, strict: true })
  routes.post('/.well-known/auth', (request, response) =>
    withJson(request, response, body => handshakes(response, () => greet(request, response, body))),
  )
  routes.use(failures)

  const sweeping = repeat(sessions.sweep, { everyMs: limits.sweepMs, onFailure: events.onSweepFailure })
  return {
    routes,
    namesIdentity: ({ headers }) => headers['x-bsv-auth-identity-key'] !== undefined,
    requireIdentity(handle, { bodyBytesMax = limits.bodyBytesMax } = {}) {
      return async (request, response, next) => {
        try {
          // Before the body: what these are wrong about, a megabyte cannot mend.
          const claim = await known(request, response)
          if (claim === undefined) return
          await withBody(request, response, bodyBytesMax, given =>
            requests(response, async () => {
              const body = given instanceof Uint8Array ? given : new Uint8Array()
              // Clients sign no body as none at all; the middleware would read an empty one as one.
              request.body = body.length > 0 ? body : undefined
              const identityKey = await prove(request, response, claim)
              if (identityKey !== undefined) await handle(request, response, { identityKey, body })
            }),
          )
        } catch (error) {
          // Here, because whoever mounts this may have no such handler, and then the client would wait for ever.
          failures(error, request, response, next)
        }
      }
    },
    sessionCount: sessions.count,
    stop: sweeping.stop,
  }
}

/** Keys, nonces and what certificates are asked for. */
const HANDSHAKE_BYTES_MAX = 16 * 1024

class NoRoom extends Error {}

type Claim = { readonly session: AuthSession; readonly nonce: string }
