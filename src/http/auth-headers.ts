import type { IncomingHttpHeaders } from 'node:http'
import type { Request } from 'express'
import { isPublicKey } from '#curve'
import { decodeDer } from '../contract/der.ts'
import { fromHex } from '../core/bytes.ts'
import type { OverlayError } from './overlay-error.ts'

/** Who says to ask, in which session; whether it is so, only the signature tells. */
export type AuthHeaders = {
  readonly identityKey: string
  /** Of the session, as we have given it at the handshake. */
  readonly sessionNonce: string
  /** Of this request, and of no other in its session. */
  readonly nonce: string
}

/** Reads the headers of BRC-104 strictly, so that nothing costly is ever begun for what cannot hold. */
export function readAuthHeaders(headers: IncomingHttpHeaders): AuthHeaders | OverlayError {
  const given = (name: string) => {
    const value = headers[`x-bsv-auth-${name}`]
    return typeof value === 'string' ? value : ''
  }
  const missing = authHeaders.find(name => given(name) === '')
  if (missing !== undefined)
    return {
      status: 401,
      code: 'UNAUTHORIZED',
      message: `this is for proven callers, and the header x-bsv-auth-${missing} is missing; shake hands at /.well-known/auth and sign the request (BRC-104)`,
    }
  const wrong = authHeaders.find(name => !shapes[name].fits(given(name)))
  if (wrong !== undefined)
    return {
      status: 401,
      code: 'ERR_AUTH_FAILED',
      message: `the header x-bsv-auth-${wrong} is not ${shapes[wrong].wanted}`,
    }
  return {
    identityKey: given('identity-key'),
    sessionNonce: given('your-nonce'),
    nonce: given('nonce'),
  }
}

export const AUTH_VERSION = '0.1'

const shapes = {
  version: { wanted: `"${AUTH_VERSION}"`, fits: text => text === AUTH_VERSION },
  'identity-key': { wanted: 'a compressed public key in lower-case hex', fits: isIdentityKey },
  nonce: { wanted: '32 bytes in base64', fits: text => bytesOfBase64(text) === 32 },
  'your-nonce': {
    wanted: 'the nonce of a session, 48 bytes in base64',
    fits: text => bytesOfBase64(text) === 48,
  },
  'request-id': { wanted: '32 bytes in base64', fits: text => bytesOfBase64(text) === 32 },
  signature: { wanted: 'a signature in DER, with a low S, in lower-case hex', fits: isSignature },
} satisfies Record<string, { wanted: string; fits(text: string): boolean }>
type AuthHeader = keyof typeof shapes
const authHeaders = Object.keys(shapes) as AuthHeader[]

export function isIdentityKey(text: string): boolean {
  if (text.length !== 66) return false
  const bytes = fromHex(text)
  return bytes !== undefined && isPublicKey(bytes)
}

function isSignature(text: string): boolean {
  const bytes = fromHex(text)
  return bytes !== undefined && decodeDer(bytes) !== undefined
}

/** Undefined unless it is the one spelling of these bytes. */
export function bytesOfBase64(text: string): number | undefined {
  if (text.length > BASE64_CHARS_MAX) return undefined
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes.length : undefined
}

const BASE64_CHARS_MAX = 128

/** What is signed is the target as URLs spell it, so what is routed must be spelled like that too. */
export function isPlainTarget(request: Request): boolean {
  const target = `${request.protocol}://${request.get('host')}${request.originalUrl}`
  if (!URL.canParse(target)) return false
  const { pathname, search } = new URL(target)
  return pathname + search === request.originalUrl
}
