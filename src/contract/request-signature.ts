import { sign, verify } from '#curve'
import { sha256 } from '#sha256'
import { concat, fromHex, toHex, utf8 } from '../core/bytes.ts'
import { digest } from '../core/digest.ts'
import { accepted, type Outcome, refused } from '../core/fault.ts'
import { decodeEitherS, encodeDer } from './der.ts'

/**
 * The legacy profile `gitdata-identity`: headers X-Identity-Key, X-Nonce, X-Signature and, for version 2,
 * X-Signature-Version, signed with the identity key itself. BRC-103/104 is the profile for new clients.
 */
export type SignedRequest = SignableRequest & {
  /** X-Signature-Version; version 1 where the header is missing. */
  readonly version: RequestSignatureVersion
  /** Hex, as in the headers. */
  readonly identityKey: string
  readonly signature: string
}

/**
 * 1: SHA-256(body ‖ nonce), which neither method nor path enters. 2: the tagged digest over all of it.
 */
export type RequestSignatureVersion = 1 | 2

export type SignableRequest = {
  readonly method: string
  /** As on the request line, query included. */
  readonly path: string
  /** Nanoseconds since the epoch, in exactly 19 digits: a fixed width keeps bytes from moving into the body. */
  readonly nonce: string
  readonly body: Uint8Array
}

/** What the caller keeps until the nonce is outside the window: the same pair again is a replay. */
export type SeenNonce = { readonly identityKey: string; readonly nonce: string; readonly untilMs: number }

export function signRequest(
  request: SignableRequest,
  version: RequestSignatureVersion,
  privateKey: Uint8Array,
): string {
  return toHex(encodeDer(sign(signedHash(request, version), privateKey)))
}

export function verifyRequest(
  request: SignedRequest,
  { nowMs, windowSeconds }: { readonly nowMs: number; readonly windowSeconds: number },
): Outcome<SeenNonce> {
  const { identityKey, nonce, version } = request
  if (!/^[0-9]{19}$/.test(nonce))
    return refused('signature-invalid', 'the nonce is not 19 digits: nanoseconds since the epoch')
  const sentMs = Number(nonce.slice(0, -6))
  const windowMs = 1000 * windowSeconds
  if (Math.abs(nowMs - sentMs) > windowMs)
    return refused(
      'signature-invalid',
      `the nonce is more than ${windowSeconds} seconds from this clock; set the sender's clock, and sign again`,
    )
  const key = fromHex(identityKey)
  if (key?.length !== 33)
    return refused('signature-invalid', 'the identity key is not 66 lower-case hex digits, a compressed key')
  const signature = readSignature(request.signature)
  if (signature === undefined)
    return refused(
      'signature-invalid',
      'the signature is neither DER nor 64 compact bytes, in lower-case hex',
    )
  if (!verify(signature, signedHash(request, version), key))
    return refused(
      'signature-invalid',
      `the signature is not this key's over version ${version} of the request`,
    )
  return accepted({ identityKey, nonce, untilMs: sentMs + windowMs })
}

function signedHash(
  { method, path, nonce, body }: SignableRequest,
  version: RequestSignatureVersion,
): Uint8Array {
  return version === 1
    ? sha256(concat(body, utf8(nonce)))
    : digest('assay:request:2', method, path, nonce, body)
}

/**
 * DER or 64 compact bytes, S low or high: clients of this profile are of every make, and OpenSSL and Node leave
 * half of their signatures high. Nothing is lost by it, since a replay is known by its nonce.
 */
function readSignature(text: string): Uint8Array | undefined {
  const bytes = fromHex(text)
  return bytes && decodeEitherS(bytes)
}
