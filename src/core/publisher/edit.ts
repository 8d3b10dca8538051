import { isObject, type Json, type JsonObject } from '../canonical-json.ts'
import { accepted, type Outcome, type Refusal, refused } from '../fault.ts'

/** How what was sent is put on top of what there is: `patch` keeps what is not named, and `put` keeps nothing. */
export type EditKind = 'patch' | 'put'

/** The members of `what` that its publisher decides, as they are to be. Null is no value: it takes a member away. */
export function edited(
  before: JsonObject,
  sent: Json,
  { kind, own, operators }: { kind: EditKind; own: readonly string[]; operators: readonly string[] },
): Outcome<JsonObject> {
  if (!isObject(sent))
    return refused('registration-invalid', 'an object with the members to change is wanted')
  const theirs = operators.find(member => Object.hasOwn(sent, member))
  if (theirs !== undefined) return ofOperators(theirs)
  const kept = Object.entries(before).filter(
    ([member]) => !own.includes(member) || (kind === 'patch' && !Object.hasOwn(sent, member)),
  )
  const said = Object.entries(sent).filter(([, value]) => value !== null)
  return accepted(Object.fromEntries([...kept, ...said]))
}

function ofOperators(member: string): Refusal {
  return refused(
    'registration-invalid',
    'the operator of this node decides on it, and not a publisher; leave it out',
    `/${member}`,
  )
}
