import { readUtf8, sha256Hex } from '#sha256'
import { fromUtf8 } from './bytes.ts'
import { CANONICAL_BYTES_MAX, isExact, JSON_DEPTH_MAX, writeCanonical } from './canonical-writer.ts'
import { accepted, type FaultCode, type Outcome, orThrow, type Refusal, refused } from './fault.ts'

/** What JSON can say. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }
export type JsonObject = { readonly [key: string]: Json }

export { JSON_DEPTH_MAX }
/** Default bound on one JSON text; callers with a tighter one pass it. */
export const JSON_BYTES_MAX = 16 * 1024 * 1024

/**
 * RFC 8785, strict. Beyond the RFC it refuses what two honest readers could take differently: integers that a
 * double cannot hold exactly, lone surrogates, the key `__proto__`, and nesting beyond JSON_DEPTH_MAX.
 */
export function canonicalize(value: Json): Outcome<string> {
  const bytes = writeCanonical(value)
  return bytes === undefined ? refusal(value) : accepted(readUtf8(bytes))
}

/** The same without a reason, for what has to nest less deep: undefined where it is refused or does not. */
export function canonicalWithin(value: Json, levels: number): string | undefined {
  const bytes = writeCanonical(value, levels)
  return bytes === undefined ? undefined : readUtf8(bytes)
}

/** SHA-256 of the canonical form, in hex: what `sha256Hex` says of it, without making a string first. */
export function canonicalHash(value: Json): Outcome<string> {
  const bytes = writeCanonical(value)
  return bytes === undefined ? refusal(value) : accepted(sha256Hex(bytes))
}

/** For values that were checked before, or that we built: a refusal there is a bug, and throws. */
export function canonicalJson(value: Json): string {
  return orThrow(canonicalize(value))
}

/** JSON text or UTF-8 bytes to a value. Of repeated keys the last wins, as in ECMAScript. */
export function parseJson(input: Uint8Array | string, bytesMax = JSON_BYTES_MAX): Outcome<Json> {
  if (input.length > bytesMax)
    return refused('json-too-large', `the text is longer than ${bytesMax} bytes; send it in smaller pieces`)
  const text = typeof input === 'string' ? input : fromUtf8(input)
  if (text === undefined) return refused('json-unreadable', 'the bytes are not UTF-8')
  try {
    return accepted(JSON.parse(text))
  } catch (error) {
    // The engine's message quotes the text, which may be secret; its position is enough to act on.
    const position = /position (\d+)/.exec(String(error))?.[1]
    return refused(
      'json-unreadable',
      position === undefined ? 'the text is not JSON' : `the text is not JSON (at character ${position})`,
    )
  }
}

/**
 * A text that is exactly the canonical form of what it says, or a fault: signed files have one spelling only. `isCanonical`
 * where ./canonical-lines.ts has found that it is, if it is JSON at all.
 */
export function parseCanonicalJson(
  text: string,
  bytesMax = JSON_BYTES_MAX,
  isCanonical = false,
): Outcome<Json> {
  const parsed = parseJson(text, bytesMax)
  if (!parsed.ok || isCanonical) return parsed
  const canonical = canonicalize(parsed.value)
  if (!canonical.ok) return canonical
  if (canonical.value !== text)
    return refused('json-unreadable', 'the text is JSON but not in its canonical form (RFC 8785)')
  return parsed
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether objects and lists stand at most this many deep in each other. */
export function nestsWithin(value: Json, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return levels > 0 && Object.values(value).every(inner => nestsWithin(inner, levels - 1))
}

/** One reference token of a JSON Pointer (RFC 6901). */
export function pointerToken(key: string | number): string {
  return `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`
}

/** A longer pointer is cut to the nearest ancestor that fits: keys are the sender's, and answers stay short. */
const POINTER_LENGTH_MAX = 1024

/** Why the writer refused: the writer carries no positions, so whoever needs the place walks the value again. */
function refusal(value: unknown): Refusal {
  return (
    locate(value, '', 0) ??
    refused(
      'json-too-large',
      `the canonical form is longer than ${CANONICAL_BYTES_MAX} bytes; send it in smaller pieces`,
    )
  )
}

function locate(value: unknown, pointer: string, depth: number): Refusal | undefined {
  switch (typeof value) {
    case 'boolean':
      return undefined
    case 'string':
      return value.isWellFormed()
        ? undefined
        : refusedAt(
            pointer,
            'json-string-unsound',
            'the string holds half of a surrogate pair; send valid Unicode',
          )
    case 'number':
      if (isExact(value)) return undefined
      return refusedAt(
        pointer,
        'json-number-unsafe',
        Number.isFinite(value)
          ? 'the number is an integer beyond ±(2^53−1), which readers round differently; send it as a string'
          : 'the number is not finite',
      )
    case 'object':
      return value === null ? undefined : locateInside(value, pointer, depth)
    default:
      return refusedAt(pointer, 'json-value-unsupported', `a ${typeof value} is not JSON`)
  }
}

function locateInside(value: object, pointer: string, depth: number): Refusal | undefined {
  if (depth >= JSON_DEPTH_MAX)
    return refusedAt(pointer, 'json-too-deep', `the value nests deeper than ${JSON_DEPTH_MAX} levels`)
  for (const [key, inner] of membersOf(value)) {
    const inside = pointer + pointerToken(key)
    if (typeof key === 'string') {
      if (key === '__proto__')
        return refusedAt(inside, 'json-key-refused', 'the key __proto__ is not accepted')
      if (!key.isWellFormed())
        return refusedAt(inside, 'json-string-unsound', 'the key holds half of a surrogate pair')
    }
    const found = locate(inner, inside, depth + 1)
    if (found) return found
  }
  return undefined
}

function refusedAt(pointer: string, code: FaultCode, detail: string): Refusal {
  const fits = pointer.length <= POINTER_LENGTH_MAX
  return refused(
    code,
    detail,
    fits ? pointer : pointer.slice(0, pointer.lastIndexOf('/', POINTER_LENGTH_MAX)),
  )
}

/** An array gives its entries by index, so that a hole counts as the undefined it reads as. */
function membersOf(value: object): Iterable<[string | number, unknown]> {
  return Array.isArray(value) ? value.entries() : Object.entries(value)
}
