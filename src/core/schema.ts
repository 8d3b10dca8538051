import * as z from 'zod'
import { canonicalize, type Json, pointerToken } from './canonical-json.ts'
import { SHOWN_KEY_CHARS_MAX } from './closed-object.ts'
import { accepted, type Fault, type FaultCode, isFaultCode, type Outcome, refused } from './fault.ts'
import { nearestKey } from './nearest-key.ts'
import { readPath, tokensOf } from './path.ts'

export const POLICY_CHARS_MAX = 1024 * 1024

/** The value as the schema types it, or a fault at the first member that does not fit. */
export function bySchema<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  code: FaultCode,
  what?: string,
): Outcome<z.output<Schema>> {
  const parsed = parse(schema, value)
  if (parsed?.success) return accepted(parsed.data)
  const fault = parsed === undefined ? wrongType(code) : firstFault(parsed.error, code)
  return { ok: false, fault: what === undefined ? fault : { ...fault, detail: `${what}: ${fault.detail}` } }
}

/** What `shape` makes of a policy document, or its first complaint, which the others often follow from. */
export function readAs<T>(shape: z.ZodType<T>, json: Json): Outcome<T> {
  const sound = canonicalPolicy(json)
  if (!sound.ok) return sound
  // Read back in canonical order: what a policy means must not depend on the order of its keys.
  return bySchema(shape, JSON.parse(sound.value), 'policy-invalid')
}

/** A policy's canonical text: every reader must be able to hold it. */
export function canonicalPolicy(json: Json): Outcome<string> {
  const text = canonicalize(json)
  if (!text.ok || text.value.length <= POLICY_CHARS_MAX) return text
  return refused(
    'json-too-large',
    `the policy, with its short forms written out, is longer than ${POLICY_CHARS_MAX} characters; shorten it`,
  )
}

/** Lets a reader of ours speak inside a shape: its fault becomes the shape's complaint, at the right place. */
export function readBy<I, T>(reader: (input: I) => Outcome<T>) {
  return (input: I, context: z.RefinementCtx): T => {
    const outcome = reader(input)
    if (outcome.ok) return outcome.value
    const { code, detail, pointer } = outcome.fault
    context.addIssue({ code: 'custom', message: detail, path: tokensOf(pointer ?? ''), params: { code } })
    return z.NEVER
  }
}

/** An object with these members and no others: a mistyped key would silently change what a policy means. */
export function closed<Members extends z.core.$ZodLooseShape>(members: Members) {
  const known = Object.keys(members)
  return z.strictObject(members, {
    error: issue => (issue.code === 'unrecognized_keys' ? unknownKey(issue.keys[0] ?? '', known) : undefined),
  })
}

/** A field's path as people write it; a pointer from then on. */
export const path = z.string().transform(readBy(readPath))

export const identityKey = z
  .string()
  .regex(/^0[23][0-9a-f]{64}$/, 'an identity key is 66 lower-case hex digits and begins with 02 or 03')

/** So many bytes, as hex. */
export const hex = (bytes: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`), `not ${bytes} bytes in lower-case hex`)

/** Any JSON, for a reader of ours to judge. */
export const anyJson = z.custom<Json>(value => value !== undefined)

function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearestKey(key, known)
  return meant === undefined
    ? `this key is not known here; known are ${known.join(', ')}`
    : `this key is not known here; did you mean "${meant}"?`
}

/**
 * Undefined where zod itself fails: it measures whatever has a `length`, and somebody may send an object whose
 * length is an object that cannot be compared.
 */
function parse<Schema extends z.ZodType>(schema: Schema, value: unknown) {
  try {
    return schema.safeParse(value)
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

function wrongType(code: FaultCode): Fault {
  return { code, detail: 'an object named "length" stands where a text or a list is wanted' }
}

function firstFault(error: z.ZodError, code: FaultCode): Fault {
  const [issue] = error.issues
  if (issue === undefined) throw error
  const path = issue.path.map(String)
  // Zod names the object around an unknown key; the key is what has to change.
  if (issue.code === 'unrecognized_keys') path.push(...issue.keys.slice(0, 1))
  const tooLong = path.findIndex(key => key.length > SHOWN_KEY_CHARS_MAX)
  const shownPath = tooLong < 0 ? path : path.slice(0, tooLong)
  return {
    code: issue.code === 'custom' && isFaultCode(issue.params?.['code']) ? issue.params['code'] : code,
    // Zod's own words about an unknown key repeat the key, however long it is.
    detail: issue.message.startsWith('Unrecognized key') ? 'this key is not known here' : issue.message,
    pointer: shownPath.map(pointerToken).join(''),
  }
}
