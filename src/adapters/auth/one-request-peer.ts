import { ExpressTransport } from '@bsv/auth-express-middleware'
import { type AuthMessage, Peer, SessionManager, type WalletInterface } from '@bsv/sdk'
import type { NextFunction, Request, Response } from 'express'
import type { AuthSession } from './session-store.ts'

/*
 * The stock middleware, opened anew for each request. Kept, it holds a listener for every request that it refuses and
 * asks them all again at each later one, and where a peer has two sessions it signs with the one used last, which may
 * not be the one that was asked in. Here nothing outlives its request.
 */

export type Handshake = { readonly identityKey: string; readonly initialNonce: string }

/**
 * Answers a handshake, once `keep` has resolved; rejects, with nothing answered, where that or the SDK fails. Resolves
 * also where the middleware answers by itself or the client leaves: whoever waited for ever would keep its place.
 */
export function shakeHands(
  wallet: WalletInterface,
  request: Request,
  response: Response,
  { identityKey, initialNonce }: Handshake,
  keep: (session: AuthSession) => Promise<void>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    response.once('close', resolve)
    const transport = new OneRequestTransport({
      onFailure: reject,
      async onSend(message) {
        await keep({ sessionNonce: message.initialNonce ?? '', identityKey, peerNonce: initialNonce })
        return { ...message, nonce: message.initialNonce ?? '' }
      },
      onSent: resolve,
    })
    transport.setPeer(new Peer(wallet, transport, undefined, new SessionManager()))
    // By this header the middleware would look for the handshake under another name than it keeps it under.
    delete request.headers['x-bsv-auth-request-id']
    request.body = { version: '0.1', messageType: 'initialRequest', identityKey, initialNonce }
    transport.handleIncomingRequest(request, response, failOn(reject))
  })
}

/**
 * Resolves where the request, with its body in bytes, is signed in this session; from then on, so is the answer, unless
 * what this resolves with is called.
 */
export function proveRequest(
  wallet: WalletInterface,
  request: Request,
  response: Response,
  { sessionNonce, identityKey, peerNonce }: AuthSession,
): Promise<() => void> {
  const { status, set, json, send, end, sendFile } = response
  const unsign = () => void Object.assign(response, { status, set, json, send, end, sendFile })
  return new Promise((resolve, reject) => {
    response.once('close', () =>
      reject(new Error('it was answered, or the client has left, before it was proven')),
    )
    const sessions = new SessionManager()
    sessions.addSession({
      isAuthenticated: true,
      sessionNonce,
      peerNonce,
      peerIdentityKey: identityKey,
      lastUpdate: 0,
    })
    const transport = new OneRequestTransport({ onFailure: reject })
    transport.setPeer(new Peer(wallet, transport, undefined, sessions))
    transport.handleIncomingRequest(
      request,
      response,
      failOn(reject, () => {
        keepHeaders(response)
        resolve(unsign)
      }),
    )
  })
}

function failOn(reject: (error: unknown) => void, goOn = () => {}): NextFunction {
  return (error?: unknown) => (error === undefined ? goOn() : reject(error))
}

type Hooks = {
  onFailure(error: unknown): void
  onSend?(message: AuthMessage): Promise<AuthMessage>
  onSent?(): void
}

class OneRequestTransport extends ExpressTransport {
  readonly #hooks: Hooks

  constructor(hooks: Hooks) {
    super()
    this.#hooks = hooks
  }

  /** The middleware answers failures in its own words, also with our internals; here they go to who asked. */
  override async onData(receive: (message: AuthMessage) => Promise<void>): Promise<void> {
    await super.onData(async message => {
      try {
        await receive(message)
      } catch (error) {
        this.#hooks.onFailure(error)
      }
    })
  }

  override async send(message: AuthMessage): Promise<void> {
    await super.send((await this.#hooks.onSend?.(message)) ?? message)
    this.#hooks.onSent?.()
  }
}

/** What is not signed the middleware lets go of, even the type of the content; it is put on the answer itself. */
function keepHeaders(response: Response): void {
  const [set, send] = [response.set.bind(response), response.send.bind(response)]
  response.set = (given: string | object, value?: unknown) => {
    const entries = typeof given === 'string' ? [[given, value] as const] : Object.entries(given)
    for (const [name, each] of entries) if (!isSigned(name)) response.setHeader(name, String(each))
    return set(Object.fromEntries(entries))
  }
  response.json = (body: unknown) => {
    if (!response.hasHeader('Content-Type'))
      response.setHeader('Content-Type', 'application/json; charset=utf-8')
    return send(JSON.stringify(body))
  }
  response.send = (body: unknown) => {
    // Bytes that are no Buffer the middleware would write as JSON.
    if (body instanceof Uint8Array) return send(Buffer.from(body.buffer, body.byteOffset, body.length))
    return typeof body === 'string' ? send(body) : response.json(body)
  }
}

function isSigned(name: string): boolean {
  return name.toLowerCase().startsWith('x-bsv-')
}
