// WebCrypto's digest is asynchronous, and a rule that waits is no longer a plain function; hence a library here.
import { hmac } from '@noble/hashes/hmac.js'
import { ripemd160 as ripemd } from '@noble/hashes/legacy.js'
import { sha256 as sha } from '@noble/hashes/sha2.js'
import { toHex, utf8 } from './bytes.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

export function sha256(data: Uint8Array | string): Uint8Array {
  return sha(typeof data === 'string' ? utf8(data) : data)
}

export function sha256Hex(data: Uint8Array | string): string {
  return toHex(sha256(data))
}

export function sha256OfParts(parts: Iterable<Uint8Array>): Uint8Array {
  const hashing = sha.create()
  for (const part of parts) hashing.update(part)
  return hashing.digest()
}

export function sha256Into(data: Uint8Array, target: Uint8Array, offset: number): void {
  target.set(sha(data), offset)
}

export function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array {
  return hmac(sha, key, data)
}

export function ripemd160(data: Uint8Array): Uint8Array {
  return ripemd(data)
}

export function writeUtf8(text: string, target: Uint8Array, offset: number): number {
  return encoder.encodeInto(text, target.subarray(offset)).written
}

export function indexOfByte(bytes: Uint8Array, byte: number, from: number): number {
  return bytes.indexOf(byte, from)
}

export function readUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}
