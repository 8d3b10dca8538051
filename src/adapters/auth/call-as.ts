import { Peer, type PeerSession, SessionManager, type WalletInterface } from '@bsv/sdk'
import type { Issuer } from '../../contract/tokens.ts'
import type { Outgoing, OutgoingAnswer } from '../outgoing/outgoing.ts'
import { CallTransport, NotSigned } from './call-transport.ts'
import { quietWallet } from './quiet-wallet.ts'
import { headersOfRequest, type SignedRequest } from './signed-http.ts'

export type Call = {
  readonly url: string
  readonly method?: string
  /** All of them are signed, so only content-type, authorization and x-bsv-… can be among them. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly answerBytesMax?: number
}

/**
 * Asks the peer with this key, as whoever we are (BRC-104). Resolves with what that key has signed: status, body, and
 * those headers that are signed at all. Rejects where anybody else answers, without having sent the call if that
 * shows at the handshake; where no answer comes in time; and where it is not signed.
 */
export type CallPeer = (identityKey: string, call: Call) => Promise<OutgoingAnswer>

export type CallLimits = {
  /** Handshake and all. */
  readonly callMsMax: number
  /** Where the call says nothing else. */
  readonly answerBytesMax: number
  /** Whose sessions are kept for the next call. */
  readonly peersMax: number
}

export const callLimits: CallLimits = { callMsMax: 30_000, answerBytesMax: 1024 * 1024, peersMax: 1000 }

export function callAs(identity: Issuer, outgoing: Outgoing, given: Partial<CallLimits> = {}): CallPeer {
  const { callMsMax, answerBytesMax, peersMax } = { ...callLimits, ...given }
  const wallet = quietWallet(identity)
  const kept = new Map<string, PeerSession>()
  const keep = (place: string, session: PeerSession) => {
    kept.delete(place)
    kept.set(place, session)
    const [oldest] = kept.keys()
    if (kept.size > peersMax && oldest !== undefined) kept.delete(oldest)
  }

  return async (identityKey, { url, method = 'GET', headers = {}, body, ...bounds }) => {
    const place = `${new URL(url).origin} ${identityKey}`
    const endsMs = performance.now() + callMsMax
    const leftMs = () => Math.max(1, Math.ceil(endsMs - performance.now()))
    const ask = (session: PeerSession | undefined) =>
      callOnce({
        wallet,
        identityKey,
        session,
        request: { url, method, headers: headersOfRequest(headers, body), body: body ?? new Uint8Array() },
        // A little longer than the call, so that what is too late is told in one way.
        send: (to, request) =>
          outgoing(to, { answerBytesMax, ...bounds, ...request, answerMsMax: leftMs() + LATER_MS }),
        tooLate: new Error(`${url} has not answered within ${callMsMax} ms`),
        leftMs: leftMs(),
      })

    const known = kept.get(place)
    const { answer, session } = await ask(known).catch(error => {
      // Once, and only where the peer may have forgotten the session.
      if (known === undefined || !(error instanceof NotSigned)) throw error
      kept.delete(place)
      return ask(undefined)
    })
    keep(place, session)
    return answer
  }
}

const LATER_MS = 250

type OneCall = {
  readonly wallet: WalletInterface
  readonly identityKey: string
  readonly session: PeerSession | undefined
  readonly request: SignedRequest
  readonly send: Outgoing
  readonly tooLate: Error
  readonly leftMs: number
}

/** The SDK's peer waits for ever where it is not answered as it likes; so it is made for one call, and let go of. */
async function callOnce({ wallet, identityKey, session, request, send, tooLate, leftMs }: OneCall) {
  const sessions = new SessionManager()
  if (session !== undefined) sessions.addSession({ ...session })
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<{ answer: OutgoingAnswer; session: PeerSession }>((resolve, reject) => {
      timer = setTimeout(() => reject(tooLate), leftMs)
      const transport = new CallTransport(identityKey, request, send, reject)
      const peer = new Peer(wallet, transport, undefined, sessions, false)
      // Told of nothing whose signature does not hold.
      peer.listenForGeneralMessages(() => {
        const used = sessions.getSession(identityKey)
        if (used !== undefined && transport.answer !== undefined)
          resolve({ answer: transport.answer, session: used })
      })
      peer.toPeer(transport.payload, identityKey).catch(reject)
    })
  } finally {
    clearTimeout(timer)
  }
}
