import * as z from 'zod'
import type { Handshake } from '../adapters/auth/one-request-peer.ts'
import { AUTH_VERSION, bytesOfBase64, isIdentityKey } from './auth-headers.ts'
import type { OverlayError } from './overlay-error.ts'

/**
 * The start of a handshake, and no other message: this node asks for no certificates and has none to show, so what
 * peers say about certificates is never handed on. Those they would like to see are passed by.
 */
export function readHandshake(body: unknown): Handshake | OverlayError {
  const message = anyMessage.safeParse(body)
  if (!message.success) return unreadable('it is not an object with a messageType')
  const { version, messageType, identityKey, initialNonce } = message.data
  if (messageType !== 'initialRequest')
    return unreadable(
      `its messageType is "${messageType.slice(0, 40)}", and only initialRequest is taken here: this node neither asks for certificates nor shows any`,
    )
  if (version !== AUTH_VERSION) return unreadable(`its version is not "${AUTH_VERSION}"`)
  if (isMissing(identityKey) || isMissing(initialNonce))
    return {
      status: 401,
      code: 'UNAUTHORIZED',
      message: 'the handshake says no identityKey, or no initialNonce; send both',
    }
  if (typeof identityKey !== 'string' || !isIdentityKey(identityKey))
    return unreadable('its identityKey is not a compressed public key in lower-case hex')
  const length = typeof initialNonce === 'string' ? bytesOfBase64(initialNonce) : undefined
  if (typeof initialNonce !== 'string' || length === undefined || length < NONCE_BYTES_MIN)
    return unreadable(
      `its initialNonce is not ${NONCE_BYTES_MIN} to ${NONCE_BYTES_MAX} bytes in base64; 48 are usual`,
    )
  return { identityKey, initialNonce }
}

/** Published vectors make do with 13. */
const NONCE_BYTES_MIN = 8
const NONCE_BYTES_MAX = 96

const anyMessage = z.looseObject({
  version: z.unknown().optional(),
  messageType: z.string(),
  identityKey: z.unknown().optional(),
  initialNonce: z.unknown().optional(),
})

function isMissing(value: unknown): boolean {
  return value === undefined || value === null || value === ''
}

function unreadable(why: string): OverlayError {
  return {
    status: 400,
    code: 'ERR_REQUEST_INVALID',
    message: `the body is no handshake that this node takes: ${why}`,
  }
}
