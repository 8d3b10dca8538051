import { indexOfByte, readUtf8 } from '#sha256'
import { isExact, JSON_DEPTH_MAX } from './canonical-writer.ts'

/**
 * Asked once for each line, in their order: whether it is in its canonical form for sure, given that the bytes are UTF-8
 * and the line is JSON. One look at each byte costs far less than writing the value anew to compare. Where it answers
 * false nothing is said: that is for the writer.
 */
export function canonicalLines(bytes: Uint8Array): () => boolean {
  let at = 0
  return () => {
    const start = at
    const end = endOfCanonical(bytes, start)
    at = 1 + (end < 0 ? indexOfByte(bytes, NEWLINE, start) : end)
    return end >= 0
  }
}

/** Where the newline is behind a line that is canonical for sure; negative where it may not be. */
function endOfCanonical(bytes: Uint8Array, start: number): number {
  let depth = 0
  for (let at = start; at < bytes.length; ) {
    const byte = bytes[at] as number
    if (byte === QUOTE) {
      const end = endOfText(bytes, at + 1)
      if (end < 0) return -1
      if (bytes[end + 1] === COLON) {
        if (!isNextKey(bytes, at + 1, end, depth)) return -1
        at = end + 2
      } else at = end + 1
    } else if (byte === COMMA) at++
    else if (byte === MINUS || (byte >= ZERO && byte <= NINE)) {
      at = endOfNumber(bytes, at)
      if (at < 0) return -1
    } else if (byte === OPENING_BRACE || byte === OPENING_BRACKET) {
      if (++depth > JSON_DEPTH_MAX) return -1
      keyStarts[depth] = NO_KEY
      at++
    } else if (byte === CLOSING_BRACE || byte === CLOSING_BRACKET) {
      depth--
      at++
    } else if (byte === SMALL_T || byte === SMALL_N) at += 4
    else if (byte === SMALL_F) at += 5
    else return byte === NEWLINE ? at : -1
  }
  return -1
}

/** Of the last key of each object that is open. */
const keyStarts = new Int32Array(JSON_DEPTH_MAX + 1)
const keyEnds = new Int32Array(JSON_DEPTH_MAX + 1)
const NO_KEY = -1

/** Whether it comes after the key before it, and is no key that is refused. */
function isNextKey(bytes: Uint8Array, start: number, end: number, depth: number): boolean {
  // Beyond ASCII, the order of bytes is not always that of UTF-16.
  for (let at = start; at < end; at++) if ((bytes[at] as number) > ASCII_MAX) return false
  const before = keyStarts[depth] as number
  const length = (keyEnds[depth] as number) - before
  keyStarts[depth] = start
  keyEnds[depth] = end
  // __proto__
  if (bytes[start] === UNDERSCORE && bytes[start + 1] === UNDERSCORE) return false
  if (before === NO_KEY) return true
  for (let i = 0; i < length; i++) {
    if (start + i === end) return false
    const difference = (bytes[start + i] as number) - (bytes[before + i] as number)
    if (difference !== 0) return difference > 0
  }
  return end - start > length
}

/** Where the quote is that ends a text without escapes; negative where it has any. */
function endOfText(bytes: Uint8Array, start: number): number {
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at] as number
    if (byte === QUOTE) return at
    if (byte === BACKSLASH || byte < SPACE) return -1
  }
  return -1
}

/** Where a number ends that is written as ECMAScript writes it; negative where it is not. */
function endOfNumber(bytes: Uint8Array, start: number): number {
  const first = bytes[start] === MINUS ? start + 1 : start
  let at = first
  let digits = 0
  let point = -1
  for (; at < bytes.length; at++) {
    const byte = bytes[at] as number
    if (byte >= ZERO && byte <= NINE) {
      // Zeros in front are none that a double has to hold.
      if (digits > 0 || byte !== ZERO) digits++
    } else if (byte === POINT) point = at
    else if (byte === COMMA || byte === CLOSING_BRACE || byte === CLOSING_BRACKET || byte === NEWLINE) break
    else return -1
  }
  if (point < 0 && (digits === 0 ? first === start : digits <= DIGITS_KEPT)) return at
  // A decimal of so few digits is the shortest of its double, but for a zero at its end, and where it is so small that it is
  // not written out.
  const isShortest = point > 0 && digits > 0 && digits <= DIGITS_KEPT && bytes[at - 1] !== ZERO
  if (isShortest && (bytes[first] !== ZERO || at - point - 1 - digits < ZEROS_WRITTEN_OUT)) return at
  const text = readUtf8(bytes.subarray(start, at))
  const value = Number(text)
  return isExact(value) && `${value}` === text ? at : -1
}

/** Any two decimals of so many digits are different doubles. */
const DIGITS_KEPT = 15
/** ECMAScript writes 0.000001, and 1e-7. */
const ZEROS_WRITTEN_OUT = 6

const NEWLINE = 0x0a
const SPACE = 0x20
const QUOTE = 0x22
const COMMA = 0x2c
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const COLON = 0x3a
const OPENING_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSING_BRACKET = 0x5d
const UNDERSCORE = 0x5f
const SMALL_F = 0x66
const SMALL_N = 0x6e
const SMALL_T = 0x74
const OPENING_BRACE = 0x7b
const CLOSING_BRACE = 0x7d
const ASCII_MAX = 0x7f
