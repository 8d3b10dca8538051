import { signRequest } from '../../src/contract/request-signature.ts'
import type { Issuer } from '../../src/contract/tokens.ts'

/** The headers by which a node knows who asks (`gitdata-identity`, version 2). */
export function signatureHeaders(
  method: string,
  url: string,
  body: Uint8Array,
  key: Issuer,
  nowMs: number,
): Record<string, string> {
  const { pathname, search } = new URL(url)
  const nonce = nextNonce(nowMs)
  return {
    'x-identity-key': key.identityKey,
    'x-nonce': nonce,
    'x-signature-version': '2',
    'x-signature': signRequest({ method, path: pathname + search, nonce, body }, 2, key.privateKey),
  }
}

let last = 0n

/** Nanoseconds since the epoch, never the same twice: a nonce that comes again is taken for a replay. */
function nextNonce(nowMs: number): string {
  const now = BigInt(Math.trunc(nowMs)) * 1_000_000n
  last = now > last ? now : last + 1n
  return String(last).padStart(19, '0')
}
