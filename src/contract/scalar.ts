import { knownHex, toHex } from '../core/bytes.ts'

/** Numbers modulo the order of secp256k1, as 32 bytes, most significant first. */
export const SCALAR_BYTES = 32

/** 1 ≤ scalar < n: what r, s and a private key must be. */
export function isScalar(bytes: Uint8Array): boolean {
  if (bytes.length !== SCALAR_BYTES) return false
  const value = toNumber(bytes)
  return value > 0n && value < order
}

/** Above n/2: the mirror image that anybody can make of a signature, valid as well. */
export function isHigh(scalar: Uint8Array): boolean {
  return toNumber(scalar) > order / 2n
}

/** Any 32 bytes, modulo n. */
export function reduced(bytes: Uint8Array): Uint8Array {
  // Nothing that starts lower reaches n, so hardly any hash pays for the arithmetic.
  return bytes[0] === 0xff ? fromNumber(toNumber(bytes) % order) : bytes
}

export function negated(scalar: Uint8Array): Uint8Array {
  return fromNumber((order - toNumber(scalar)) % order)
}

export function sum(a: Uint8Array, b: Uint8Array): Uint8Array {
  return fromNumber((toNumber(a) + toNumber(b)) % order)
}

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

function toNumber(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes)}`)
}

function fromNumber(value: bigint): Uint8Array {
  return knownHex(value.toString(16).padStart(2 * SCALAR_BYTES, '0'))
}
