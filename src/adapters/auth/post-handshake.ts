import type { AuthMessage } from '@bsv/sdk'
import type { Outgoing, OutgoingAnswer } from '../outgoing/outgoing.ts'

/** Where it is sent, and what came back: whether that is a handshake is for the caller to see. */
export type HandshakeAnswer = { readonly url: string; readonly answer: OutgoingAnswer }

/** Sends the first message of a handshake, without what it says about certificates. */
export async function postHandshake(
  base: string,
  { version, messageType, identityKey, initialNonce }: AuthMessage,
  outgoing: Outgoing,
): Promise<HandshakeAnswer> {
  const url = new URL('/.well-known/auth', base).href
  const answer = await outgoing(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify({ version, messageType, identityKey, initialNonce })),
  })
  return { url, answer }
}
