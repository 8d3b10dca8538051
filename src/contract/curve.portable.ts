import { getPublicKey, hashes, Point, sign as signNoble, verify as verifyNoble } from '@noble/secp256k1'
import { hmacSha256, sha256 } from '#sha256'
import { isScalar, reduced, sum } from './scalar.ts'

/**
 * secp256k1 in plain JavaScript: for browsers, and for machines where the native addon does not load. Equal to
 * it byte for byte, some thirty times slower, and not constant in time.
 */
hashes.sha256 = message => Uint8Array.from(sha256(message))
hashes.hmacSha256 = (key, message) => Uint8Array.from(hmacSha256(key, message))

export const signer: 'native' | 'portable' = 'portable'

/** RFC 6979, low-S, compact (r ‖ s). Throws on a key outside 1 … n−1. */
export function sign(hash: Uint8Array, privateKey: Uint8Array): Uint8Array {
  return signNoble(hash, privateKey, { prehash: false })
}

/** False on anything but a valid, compact, low-S signature by a compressed key: it never throws. */
export function verify(signature: Uint8Array, hash: Uint8Array, publicKey: Uint8Array): boolean {
  if (signature.length !== 64 || hash.length !== 32 || publicKey.length !== 33) return false
  return verifyNoble(signature, hash, publicKey, { prehash: false })
}

export function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  return getPublicKey(privateKey)
}

/** Compressed, and on the curve. */
export function isPublicKey(bytes: Uint8Array): boolean {
  return pointOf(bytes) !== undefined
}

/** publicKey + tweak·G, the tweak modulo n. Undefined where the key is none or the sum is infinite. */
export function tweakPublic(publicKey: Uint8Array, tweak: Uint8Array): Uint8Array | undefined {
  const point = pointOf(publicKey)
  const scalar = reduced(tweak)
  if (point === undefined || !isScalar(scalar)) return point?.toBytes()
  const moved = point.add(Point.fromBytes(getPublicKey(scalar)))
  return moved.is0() ? undefined : moved.toBytes()
}

/** privateKey + tweak, modulo n. Throws where that is no key: a hash cannot be steered there. */
export function tweakPrivate(privateKey: Uint8Array, tweak: Uint8Array): Uint8Array {
  const moved = sum(privateKey, reduced(tweak))
  if (!isScalar(privateKey) || !isScalar(moved)) throw new Error('the private key is not within 1 … n−1')
  return moved
}

function pointOf(bytes: Uint8Array): Point | undefined {
  if (bytes.length !== 33) return undefined
  try {
    return Point.fromBytes(bytes)
  } catch {
    // Its only complaint is that the bytes are no point, which is what undefined says.
    return undefined
  }
}
