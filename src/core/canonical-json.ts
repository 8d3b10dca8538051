import { fromUtf8 } from './bytes.ts'
import { accepted, type FaultCode, type Outcome, orThrow, refused } from './fault.ts'

/** What JSON can say. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }
export type JsonObject = { readonly [key: string]: Json }

/** Nesting deeper than this is refused: recursive readers, ours and other people's, run out of stack. */
export const JSON_DEPTH_MAX = 64
/** Default bound on one JSON text; callers with a tighter one pass it. */
export const JSON_BYTES_MAX = 16 * 1024 * 1024

/**
 * RFC 8785, strict. Beyond the RFC it refuses what two honest readers could take differently: integers that a
 * double cannot hold exactly, lone surrogates, the key `__proto__`, and nesting beyond JSON_DEPTH_MAX.
 */
export function canonicalise(value: Json): Outcome<string> {
  try {
    return accepted(write(value, 0))
  } catch (error) {
    if (error !== refusal) throw error
    return (
      locate(value, '', 0) ?? refused('json-value-unsupported', 'the value holds something JSON cannot say')
    )
  }
}

/** For values that were checked before, or that we built: a refusal there is a bug, and throws. */
export function canonicalJson(value: Json): string {
  try {
    return write(value, 0)
  } catch (error) {
    if (error !== refusal) throw error
    return orThrow(canonicalise(value))
  }
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

/** A text that is exactly the canonical form of what it says, or a fault: signed files have one spelling only. */
export function parseCanonicalJson(text: string, bytesMax = JSON_BYTES_MAX): Outcome<Json> {
  const parsed = parseJson(text, bytesMax)
  if (!parsed.ok) return parsed
  const canonical = canonicalise(parsed.value)
  if (!canonical.ok) return canonical
  if (canonical.value !== text)
    return refused('json-unreadable', 'the text is JSON but not in its canonical form (RFC 8785)')
  return parsed
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** One reference token of a JSON Pointer (RFC 6901). */
export function pointerToken(key: string | number): string {
  return `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`
}

// One shared sentinel: the fast path carries no positions, and a stack trace per bad event would cost more
// than the event. Who needs the place walks the value once more (locate).
const refusal = new Error('canonical JSON refused')

const needsEscape = /["\\]|[^ -\ud7ff\ue000-\uffff]/

function write(value: Json, depth: number): string {
  switch (typeof value) {
    case 'string':
      return writeString(value)
    case 'number':
      // ECMAScript's Number-to-string is RFC 8785's, -0 included.
      if (!isExact(value)) throw refusal
      return `${value}`
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object': {
      if (value === null) return 'null'
      if (depth >= JSON_DEPTH_MAX) throw refusal
      if (Array.isArray(value)) return writeArray(value, depth)
      return writeObject(value as JsonObject, depth)
    }
    default:
      throw refusal
  }
}

function writeArray(items: readonly Json[], depth: number): string {
  let text = '['
  for (let i = 0; i < items.length; i++) {
    if (i > 0) text += ','
    text += write(items[i] as Json, depth + 1)
  }
  return `${text}]`
}

function writeObject(object: JsonObject, depth: number): string {
  const keys = Object.keys(object)
  sortKeys(keys)
  let text = '{'
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string
    if (i > 0) text += ','
    text += writeKey(key) + write(object[key] as Json, depth + 1)
  }
  return `${text}}`
}

function writeString(text: string): string {
  if (!needsEscape.test(text)) return `"${text}"`
  if (!text.isWellFormed()) throw refusal
  return JSON.stringify(text)
}

// Streams repeat their keys; bounded, so that a publisher of ever new keys only loses the shortcut.
const writtenKeysMax = 4096
const writtenKeys = new Map<string, string>()

function writeKey(key: string): string {
  let written = writtenKeys.get(key)
  if (written === undefined) {
    if (key === '__proto__') throw refusal
    written = `${writeString(key)}:`
    if (writtenKeys.size < writtenKeysMax && key.length <= 64) writtenKeys.set(key, written)
  }
  return written
}

/** By UTF-16 code units, which is what `<` compares. Insertion sort: event objects are small and nearly sorted. */
function sortKeys(keys: string[]): void {
  if (keys.length > 24) {
    keys.sort()
    return
  }
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i] as string
    let j = i - 1
    while (j >= 0 && (keys[j] as string) > key) {
      keys[j + 1] = keys[j] as string
      j--
    }
    keys[j + 1] = key
  }
}

function isExact(value: number): boolean {
  return Number.isFinite(value) && (Number.isSafeInteger(value) || !Number.isInteger(value))
}

function locate(value: unknown, pointer: string, depth: number): ReturnType<typeof refused> | undefined {
  const at = (code: FaultCode, detail: string) => refused(code, detail, pointer)
  switch (typeof value) {
    case 'boolean':
      return undefined
    case 'string':
      return value.isWellFormed()
        ? undefined
        : at('json-string-unsound', 'the string holds half of a surrogate pair; send valid Unicode')
    case 'number':
      if (isExact(value)) return undefined
      return at(
        'json-number-unsafe',
        Number.isFinite(value)
          ? 'the number is an integer beyond ±(2^53−1), which readers round differently; send it as a string'
          : 'the number is not finite',
      )
    case 'object':
      return value === null ? undefined : locateInside(value, pointer, depth)
    default:
      return at('json-value-unsupported', `a ${typeof value} is not JSON`)
  }
}

function locateInside(value: object, pointer: string, depth: number): ReturnType<typeof refused> | undefined {
  if (depth >= JSON_DEPTH_MAX)
    return refused('json-too-deep', `the value nests deeper than ${JSON_DEPTH_MAX} levels`, pointer)
  for (const [key, inner] of Object.entries(value)) {
    const inside = pointer + pointerToken(key)
    if (!Array.isArray(value)) {
      if (key === '__proto__') return refused('json-key-refused', 'the key __proto__ is not accepted', inside)
      if (!key.isWellFormed())
        return refused('json-string-unsound', 'the key holds half of a surrogate pair', inside)
    }
    const found = locate(inner, inside, depth + 1)
    if (found) return found
  }
  return undefined
}
