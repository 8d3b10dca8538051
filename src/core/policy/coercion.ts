import type { Json } from '../canonical-json.ts'
import { readTimestamp, writeTimestamp } from '../timestamp.ts'

/** Longer texts are not numbers or times, and reading them as such would be work done for nothing. */
export const COERCIBLE_CHARS_MAX = 1024

/**
 * Each turns a value into its kind, or answers undefined where the value does not plainly say one: no
 * whitespace is trimmed, nothing is rounded, no text but "true" is true.
 */
export const coercions = {
  string: toText,
  number: toNumber,
  integer: toInteger,
  boolean: toBoolean,
  'decimal-string': toDecimal,
  iso8601: value => writeOptional(instantOf(value)),
  'iso8601->epoch': instantOf,
  'iso8601->epoch-seconds': value => {
    const ms = instantOf(value)
    return ms === undefined ? undefined : Math.floor(ms / 1000)
  },
  'epoch->iso8601': value => writeOptional(toInteger(value)),
  'epoch-seconds->iso8601': value => {
    const seconds = toInteger(value)
    return seconds === undefined ? undefined : writeOptional(seconds * 1000)
  },
} as const satisfies Record<string, (value: Json) => string | number | boolean | undefined>

export type Coercion = keyof typeof coercions

/** `iso8601 -> epoch` and `iso8601->epoch` are one spelling. */
export function readCoercion(text: string): Coercion | undefined {
  const name = text
    .split('->', 3)
    .map(part => part.trim())
    .join('->')
  return Object.hasOwn(coercions, name) ? (name as Coercion) : undefined
}

const jsonNumber = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/
const plainDecimal = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?$/
const plainInteger = /^-?(0|[1-9][0-9]*)$/

function toText(value: Json): string | undefined {
  return typeof value === 'object' ? undefined : String(value)
}

/** Texts by the grammar of JSON: no "0x10", "+1", "1_000" or "Infinity". */
function toNumber(value: Json): number | undefined {
  if (typeof value === 'number') return value
  if (!isText(value) || !jsonNumber.test(value)) return undefined
  const number = Number(value)
  // Canonical JSON cannot say integers beyond 2^53, and a tiny number that became 0 is not what was sent.
  if (Number.isInteger(number) && !Number.isSafeInteger(number)) return undefined
  if (!Number.isFinite(number) || (number === 0 && /^-?[0.]*[1-9]/.test(value))) return undefined
  return number + 0
}

/** Texts in plain digits only: "1.0000000000000000001" and "1e3" would need a decision about rounding. */
function toInteger(value: Json): number | undefined {
  if (isText(value) && !plainInteger.test(value)) return undefined
  const number = toNumber(value)
  return Number.isSafeInteger(number) ? number : undefined
}

function toBoolean(value: Json): boolean | undefined {
  if (typeof value === 'boolean') return value
  if (value === 'true') return true
  return value === 'false' ? false : undefined
}

/** Keeps every digit of a text as it is; a number is written out without an exponent. */
function toDecimal(value: Json): string | undefined {
  if (isText(value)) return plainDecimal.test(value) ? value : undefined
  if (typeof value !== 'number') return undefined
  const text = String(value)
  if (plainDecimal.test(text)) return text
  const [, sign, first, rest, zeros] = /^(-?)([0-9])(?:\.([0-9]+))?e-([0-9]+)$/.exec(text) ?? []
  if (first === undefined) return undefined
  return `${sign}0.${'0'.repeat(Number(zeros) - 1)}${first}${rest ?? ''}`
}

function instantOf(value: Json): number | undefined {
  return isText(value) ? readTimestamp(value) : undefined
}

function writeOptional(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : writeTimestamp(ms)
}

function isText(value: Json): value is string {
  return typeof value === 'string' && value.length <= COERCIBLE_CHARS_MAX
}
