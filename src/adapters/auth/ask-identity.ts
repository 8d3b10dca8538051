import { type AuthMessage, Peer, SessionManager, type Transport } from '@bsv/sdk'
import type { Issuer } from '../../contract/tokens.ts'
import type { Outgoing, OutgoingAnswer } from '../outgoing/outgoing.ts'
import { postHandshake } from './post-handshake.ts'
import { quietWallet } from './quiet-wallet.ts'
import { isInitialResponse, readInitialResponse } from './read-initial-response.ts'

/**
 * Shakes hands with whoever answers there (BRC-103) and asks for nothing else. Resolves with the key that it has proven
 * to hold; with undefined where it answers and speaks no such thing; rejects where it does not answer, is not well, or
 * claims a key and does not prove it.
 */
export type AskIdentity = (base: string, stop?: AbortSignal) => Promise<string | undefined>

const ANSWER_MS_MAX = 5000
const ANSWER_BYTES_MAX = 64 * 1024

export function askIdentity(identity: Issuer, outgoing: Outgoing): AskIdentity {
  const wallet = quietWallet(identity)
  return (base, stop) =>
    new Promise((resolve, reject) => {
      const send: Outgoing = (url, request) =>
        outgoing(url, {
          answerMsMax: ANSWER_MS_MAX,
          answerBytesMax: ANSWER_BYTES_MAX,
          ...(stop !== undefined && { stop }),
          ...request,
        })
      const transport = new HandshakeTransport(base, send, {
        onStranger: () => resolve(undefined),
        onFailure: reject,
      })
      const peer = new Peer(wallet, transport, undefined, new SessionManager(), false)
      peer.getAuthenticatedSession().then(({ peerIdentityKey }) => resolve(peerIdentityKey), reject)
    })
}

type Ends = { onStranger(): void; onFailure(error: unknown): void }

class HandshakeTransport implements Transport {
  readonly #base: string
  readonly #outgoing: Outgoing
  readonly #ends: Ends
  #hear: (message: AuthMessage) => Promise<void> = async () => undefined

  constructor(base: string, outgoing: Outgoing, ends: Ends) {
    this.#base = base
    this.#outgoing = outgoing
    this.#ends = ends
  }

  async onData(hear: (message: AuthMessage) => Promise<void>): Promise<void> {
    this.#hear = hear
  }

  async send(message: AuthMessage): Promise<void> {
    // Nothing else is ever sent: what a host would like to know about certificates is not handed on.
    if (message.messageType !== 'initialRequest') return
    const { url, answer } = await postHandshake(this.#base, message, this.#outgoing)
    if (speaksNoHandshake(answer)) return this.#ends.onStranger()
    const response = readInitialResponse(answer, url)
    // The SDK begins to listen for it when this here has resolved, and not before.
    setImmediate(() => void this.#hear(response).catch(this.#ends.onFailure))
  }
}

/** These say that it cannot answer now, whatever it speaks. */
const passing = [408, 425, 429]

function speaksNoHandshake(answer: OutgoingAnswer): boolean {
  const { status } = answer
  if (status === 501) return true
  if (status >= 500 || passing.includes(status)) return false
  return status !== 200 || !isInitialResponse(answer)
}
