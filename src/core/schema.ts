import * as z from 'zod'
import { canonicalize, type Json, pointerToken } from './canonical-json.ts'
import { accepted, type Fault, type Outcome, refused } from './fault.ts'
import { tokensOf } from './path.ts'
import { nearestKey } from './policy/nearest-key.ts'

export const POLICY_CHARS_MAX = 1024 * 1024
/** A pointer to a longer key stops before it. */
const KEY_SHOWN_CHARS_MAX = 512

/** What `shape` makes of a policy document, or its first complaint, which the others often follow from. */
export function readAs<T>(shape: z.ZodType<T>, json: Json): Outcome<T> {
  const sound = canonicalize(json)
  if (!sound.ok) return sound
  if (sound.value.length > POLICY_CHARS_MAX)
    return refused('json-too-large', `the policy is longer than ${POLICY_CHARS_MAX} characters; shorten it`)
  // Read back in canonical order: what a policy means must not depend on the order of its keys.
  const parsed = shape.safeParse(JSON.parse(sound.value))
  return parsed.success ? accepted(parsed.data) : { ok: false, fault: firstFault(parsed.error) }
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

/** Any JSON, for a reader of ours to judge. */
export const anyJson = z.custom<Json>(value => value !== undefined)

function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearestKey(key, known)
  return meant === undefined
    ? `this key is not known here; known are ${known.join(', ')}`
    : `this key is not known here; did you mean "${meant}"?`
}

function firstFault(error: z.ZodError): Fault {
  const [issue] = error.issues
  if (issue === undefined) throw error
  const path = issue.path.map(String)
  // Zod names the object around an unknown key; the key is what has to change.
  if (issue.code === 'unrecognized_keys') path.push(...issue.keys.slice(0, 1))
  // The only other code that a reader of a policy's parts answers with.
  const code =
    issue.code === 'custom' && issue.params?.['code'] === 'pattern-refused'
      ? 'pattern-refused'
      : 'policy-invalid'
  const tooLong = path.findIndex(key => key.length > KEY_SHOWN_CHARS_MAX)
  const shownPath = tooLong < 0 ? path : path.slice(0, tooLong)
  return { code, detail: issue.message, pointer: shownPath.map(pointerToken).join('') }
}
