import type { OverlayError } from './overlay-error.ts'

/** Why a request under BRC-104 is not answered as asked, once its headers can be read. */
export const authRefusals = {
  target: {
    status: 400,
    code: 'ERR_REQUEST_INVALID',
    message: 'the path is not spelled as URLs are, or the Host header is none; send the one that was signed',
  },
  // Stock clients shake hands again by themselves where they read its first words.
  ended: {
    status: 401,
    code: 'ERR_AUTH_SESSION_EXPIRED',
    message:
      'Session not found for nonce: it has expired or never was; shake hands again at /.well-known/auth',
  },
  otherIdentity: {
    status: 401,
    code: 'ERR_AUTH_IDENTITY_KEY_MISMATCH',
    message:
      'the session belongs to another identity than the request names; shake hands as the one who asks',
  },
  signature: {
    status: 401,
    code: 'ERR_AUTH_FAILED',
    message:
      'the signature does not hold for this method, path, body and these headers; sign what is sent, to the byte (BRC-104)',
  },
  repeated: {
    status: 401,
    code: 'ERR_AUTH_INVALID_NONCE',
    message: 'this nonce was used in this session before; take a new one for every request',
  },
} as const satisfies Record<string, OverlayError>

export function noRoomForSessions(limits: { sessionsMax: number; sweepMs: number }): OverlayError {
  return {
    status: 503,
    code: 'ERR_BUSY',
    message: `all of the ${limits.sessionsMax} sessions that this node keeps are taken; try again when some have expired`,
    retryAfterSeconds: Math.ceil(limits.sweepMs / 1000),
  }
}
