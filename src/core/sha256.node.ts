import { createHash, createHmac, hash } from 'node:crypto'

export function sha256(data: Uint8Array | string): Uint8Array {
  const digest = new Uint8Array(32)
  writeLatin1.call(digest, hashToLatin1('sha256', data, 'latin1'), 0, 32)
  return digest
}

/** The cheapest way Node has to a digest: no Buffer per call. */
export function sha256Hex(data: Uint8Array | string): string {
  return hash('sha256', data, 'hex')
}

/** Of one after the other, without a copy of them all. */
export function sha256OfParts(parts: Iterable<Uint8Array>): Uint8Array {
  const hashing = createHash('sha256')
  for (const part of parts) hashing.update(part)
  return new Uint8Array(hashing.digest())
}

/** Writes the 32 bytes of SHA-256(data) at `offset`, without allocating. */
export function sha256Into(data: Uint8Array, target: Uint8Array, offset: number): void {
  writeLatin1.call(target, hashToLatin1('sha256', data, 'latin1'), offset, 32)
}

export function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac('sha256', key).update(data).digest())
}

export function ripemd160(data: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('ripemd160').update(data).digest())
}

/** Writes UTF-8 at `offset` and returns how many bytes it took; the caller has made sure of the room. */
export function writeUtf8(text: string, target: Uint8Array, offset: number): number {
  return writeText.call(target, text, offset, target.length - offset)
}

/** Where this byte is next, from there on; negative where it is not. A typed array's own search looks at one byte at a time. */
export function indexOfByte(bytes: Uint8Array, byte: number, from: number): number {
  return findByte.call(bytes, byte, from)
}

/** The text of bytes that are known to be UTF-8. */
export function readUtf8(bytes: Uint8Array): string {
  return readText.call(bytes, 0, bytes.length)
}

// All of them can do what is asked of them here, which their declarations do not say.
type Write = (this: Uint8Array, text: string, offset: number, length: number) => number
const writeLatin1: Write = Reflect.get(Buffer.prototype, 'latin1Write')
const writeText: Write = Reflect.get(Buffer.prototype, 'utf8Write')
type Read = (this: Uint8Array, start: number, end: number) => string
const readText: Read = Reflect.get(Buffer.prototype, 'utf8Slice')
type Find = (this: Uint8Array, byte: number, from: number) => number
const findByte: Find = Reflect.get(Buffer.prototype, 'indexOf')
type HashToLatin1 = (algorithm: 'sha256', data: Uint8Array | string, encoding: 'latin1') => string
const hashToLatin1 = hash as unknown as HashToLatin1
