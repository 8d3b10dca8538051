import { randomBytes } from 'node:crypto'
import type { AuthMessage, Transport } from '@bsv/sdk'
import type { Outgoing, OutgoingAnswer } from '../outgoing/outgoing.ts'
import { postHandshake } from './post-handshake.ts'
import { readInitialResponse } from './read-initial-response.ts'
import { answerPayload, headersOfAnswer, requestPayload, type SignedRequest } from './signed-http.ts'

/** The answer carries no signature: it may be that the peer has forgotten the session. */
export class NotSigned extends Error {}

/** Carries one call of the SDK's peer, and hands on nothing that anybody but the one who is asked says to have said. */
export class CallTransport implements Transport {
  /** What the SDK signs of the call. */
  readonly payload: number[]
  /** To be believed once the SDK has heard it. */
  answer: OutgoingAnswer | undefined
  readonly #requestId = randomBytes(32)
  readonly #identityKey: string
  readonly #request: SignedRequest
  readonly #outgoing: Outgoing
  readonly #fail: (error: unknown) => void
  #hear: (message: AuthMessage) => Promise<void> = async () => undefined

  constructor(
    identityKey: string,
    request: SignedRequest,
    outgoing: Outgoing,
    fail: (error: unknown) => void,
  ) {
    this.#identityKey = identityKey
    this.#request = request
    this.#outgoing = outgoing
    this.#fail = fail
    this.payload = requestPayload(this.#requestId, request)
  }

  async onData(hear: (message: AuthMessage) => Promise<void>): Promise<void> {
    this.#hear = hear
  }

  async send(message: AuthMessage): Promise<void> {
    // Nothing else is ever sent: what peers would like to know about certificates is not handed on.
    if (message.messageType === 'initialRequest') await this.#shakeHands(message)
    else if (message.messageType === 'general') await this.#ask(message)
  }

  async #shakeHands(message: AuthMessage): Promise<void> {
    const { url, answer } = await postHandshake(this.#request.url, message, this.#outgoing)
    const response = readInitialResponse(answer, url)
    this.#expectSame(url, response.identityKey)
    // The SDK begins to listen for it when this here has resolved, and not before.
    setImmediate(() => void this.#hear(response).catch(this.#fail))
  }

  async #ask({
    version,
    identityKey,
    nonce = '',
    yourNonce = '',
    signature = [],
  }: AuthMessage): Promise<void> {
    const { url, method, headers, body } = this.#request
    const came = await this.#outgoing(url, {
      method,
      headers: {
        ...Object.fromEntries(headers),
        'x-bsv-auth-version': version,
        'x-bsv-auth-identity-key': identityKey,
        'x-bsv-auth-nonce': nonce,
        'x-bsv-auth-your-nonce': yourNonce,
        'x-bsv-auth-request-id': this.#requestId.toString('base64'),
        'x-bsv-auth-signature': Buffer.from(signature).toString('hex'),
      },
      ...(body.length > 0 && { body }),
    })
    const header = (name: string) => came.headers.get(`x-bsv-auth-${name}`) ?? ''
    if (header('signature') === '')
      throw new NotSigned(`${url} has answered with HTTP ${came.status}, and has not signed it`)
    this.#expectSame(url, header('identity-key'))
    const signed = headersOfAnswer(came.headers)
    this.answer = { status: came.status, headers: new Headers(signed), body: came.body }
    await this.#hear({
      version: header('version'),
      messageType: 'general',
      identityKey: this.#identityKey,
      nonce: header('nonce'),
      yourNonce: header('your-nonce'),
      payload: answerPayload(this.#requestId, came.status, signed, came.body),
      signature: [...Buffer.from(header('signature'), 'hex')],
    })
  }

  #expectSame(url: string, seen: string): void {
    if (seen === this.#identityKey) return
    throw new Error(
      `${url} answers as ${seen.slice(0, 66) || 'nobody'} and not as ${this.#identityKey}, who was to be asked; find out who that is before you call again`,
    )
  }
}
