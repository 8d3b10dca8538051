import { concat } from '../core/bytes.ts'
import { isHigh, isScalar, negated, SCALAR_BYTES } from './scalar.ts'

/** Two tags, two lengths, two integers of at most 33 bytes, and the sequence around them. */
export const DER_BYTES_MAX = 72
export const DER_BYTES_MIN = 8

/** Compact (r ‖ s) to DER as BIP-66 has it: every integer in its shortest form. */
export function encodeDer(compact: Uint8Array): Uint8Array {
  const body = concat(
    encodeInteger(compact.subarray(0, SCALAR_BYTES)),
    encodeInteger(compact.subarray(SCALAR_BYTES)),
  )
  return concat(Uint8Array.of(sequenceTag, body.length), body)
}

/** DER to compact; undefined unless it is the one spelling of a low-S signature. */
export function decodeDer(der: Uint8Array): Uint8Array | undefined {
  const pair = readPair(der)
  return pair === undefined || isHigh(pair.s) ? undefined : concat(pair.r, pair.s)
}

/**
 * DER or compact to compact, a high S turned into its low mirror: for signatures whose own bytes nothing commits
 * to, made by libraries that leave half of theirs high.
 */
export function decodeEitherS(signature: Uint8Array): Uint8Array | undefined {
  const pair = readPair(signature) ?? splitCompact(signature)
  if (pair === undefined) return undefined
  return concat(pair.r, isHigh(pair.s) ? negated(pair.s) : pair.s)
}

function splitCompact(bytes: Uint8Array): Pair | undefined {
  const [r, s] = [bytes.subarray(0, SCALAR_BYTES), bytes.subarray(SCALAR_BYTES)]
  return isScalar(r) && isScalar(s) ? { r, s } : undefined
}

type Pair = { readonly r: Uint8Array; readonly s: Uint8Array }

const sequenceTag = 0x30
const integerTag = 0x02

function encodeInteger(scalar: Uint8Array): Uint8Array {
  let start = 0
  while (start < scalar.length - 1 && scalar[start] === 0) start++
  const digits = scalar.subarray(start)
  // A leading bit of 1 would make the integer negative.
  const sign = (digits[0] ?? 0) >= 0x80 ? Uint8Array.of(0) : new Uint8Array(0)
  return concat(Uint8Array.of(integerTag, sign.length + digits.length), sign, digits)
}

function readPair(der: Uint8Array): Pair | undefined {
  if (der.length < DER_BYTES_MIN || der.length > DER_BYTES_MAX) return undefined
  if (der[0] !== sequenceTag || der[1] !== der.length - 2) return undefined
  const r = readInteger(der, 2)
  if (r === undefined) return undefined
  const s = readInteger(der, r.end)
  if (s === undefined || s.end !== der.length) return undefined
  return { r: r.scalar, s: s.scalar }
}

function readInteger(der: Uint8Array, at: number): { scalar: Uint8Array; end: number } | undefined {
  const length = der[at + 1] ?? 0
  const end = at + 2 + length
  if (der[at] !== integerTag || length === 0 || end > der.length) return undefined
  const [first = 0, second = 0] = der.subarray(at + 2, end)
  const negative = first >= 0x80
  const padded = first === 0 && second < 0x80
  if (negative || padded) return undefined
  const digits = der.subarray(first === 0 ? at + 3 : at + 2, end)
  if (digits.length > SCALAR_BYTES) return undefined
  const scalar = new Uint8Array(SCALAR_BYTES)
  scalar.set(digits, SCALAR_BYTES - digits.length)
  return isScalar(scalar) ? { scalar, end } : undefined
}
