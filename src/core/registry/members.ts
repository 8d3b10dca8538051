import * as z from 'zod'
import type { Json } from '../canonical-json.ts'
import { NAME_CHARS_MAX } from '../event/read-envelope.ts'
import type { Outcome } from '../fault.ts'
import { bySchema, canonicalPolicy, closed } from '../schema.ts'
import type { Limits } from './limits.ts'

/** What sources and streams are both read by. */

export const TOPICS_MAX = 64
/** With `tm_` before it, a dotted name is a topic of at most 50 characters. */
const DOTTED_CHARS_MAX = 47

/** Stands in columns, notifications and one-line answers: no character in it may end any of these. */
export const name = plainText(NAME_CHARS_MAX)

export function plainText(charsMax: number) {
  return z
    .string()
    .refine(
      text => text.length > 0 && text.length <= charsMax && text.isWellFormed() && !/\p{Cc}/u.test(text),
      `a text of 1 to ${charsMax} characters, none of them a control character`,
    )
}

export const dottedNames = distinct(
  z
    .string()
    .max(DOTTED_CHARS_MAX, `a dotted name has at most ${DOTTED_CHARS_MAX} characters`)
    .regex(/^[a-z]+(?:\.[a-z]+)*$/, 'a dotted name like gitdata.events.energy, of the letters a to z'),
  TOPICS_MAX,
).default([])

/** Lists whose order says nothing come out in one order, each item once. */
export function distinct(item: z.ZodType<string, string>, itemsMax: number) {
  return z
    .array(item)
    .max(itemsMax, `more than ${itemsMax} items`)
    .transform((items): readonly string[] => [...new Set(items)].sort())
}

export const durationMs = z.int().min(0).max(Number.MAX_SAFE_INTEGER)

const bound = z.int().min(1).max(Number.MAX_SAFE_INTEGER).exactOptional()
export const limits = closed({
  requestsPerSecond: bound,
  eventsPerSecond: bound,
  eventsPerDay: bound,
  bytesPerDay: bound,
  eventsPerMonth: bound,
  bytesPerMonth: bound,
}).default({})

export function readLimits(json: Json): Outcome<Limits> {
  return bySchema(limits, json, 'registration-invalid')
}

export function readMembers<T>(shape: z.ZodType<T>, json: Json): Outcome<T> {
  const sound = canonicalPolicy(json)
  if (!sound.ok) return sound
  // Read back in canonical order, so that the first complaint does not depend on the order of its keys.
  return bySchema(shape, JSON.parse(sound.value), 'registration-invalid')
}
