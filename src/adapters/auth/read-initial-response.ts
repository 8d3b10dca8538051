import type { AuthMessage } from '@bsv/sdk'
import * as z from 'zod'
import { fromUtf8 } from '../../core/bytes.ts'
import type { OutgoingAnswer } from '../outgoing/outgoing.ts'

/** What a peer answers to a handshake, without what it says about certificates; throws where it is none. */
export function readInitialResponse({ status, body }: OutgoingAnswer, url: string): AuthMessage {
  if (status !== 200) throw new Error(`${url} has answered a handshake with HTTP ${status}`)
  const read = initialResponse.safeParse(parse(body))
  if (!read.success) {
    const [issue] = read.error.issues
    throw new Error(
      `${url} has answered a handshake with what is no initialResponse: /${issue?.path.join('/') ?? ''}: ${issue?.message}`,
    )
  }
  return read.data
}

/** Whether it means to be one; what is wrong with it is said by reading it. */
export function isInitialResponse({ body }: OutgoingAnswer): boolean {
  return z.object({ messageType: z.literal('initialResponse') }).safeParse(parse(body)).success
}

const nonce = z.base64().min(4).max(128)
const initialResponse = z.object({
  version: z.literal('0.1'),
  messageType: z.literal('initialResponse'),
  identityKey: z.string().regex(/^0[23][0-9a-f]{64}$/),
  initialNonce: nonce,
  yourNonce: nonce,
  signature: z.array(z.int().min(0).max(255)).max(72),
})

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(body) ?? '')
  } catch {
    // Not JSON: the shape says so.
    return undefined
  }
}
