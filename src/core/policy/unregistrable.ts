import type { Json } from '../canonical-json.ts'
import { type Refusal, refused } from '../fault.ts'
import { zeroCharacterIn } from '../zero-character.ts'

/** Why a policy that can be read is not registered: manifests, columns and indexes could not say what it says. */
export function unregistrable(policy: Json): Refusal | undefined {
  const pointer = zeroCharacterIn(policy)
  if (pointer === undefined) return undefined
  return refused('policy-invalid', 'the policy holds the character U+0000 here; leave it out', pointer)
}
