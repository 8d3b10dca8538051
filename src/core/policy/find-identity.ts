import type { Json } from '../canonical-json.ts'
import type { FoundIdentity } from '../event/read-identity.ts'
import { compilePath } from '../path.ts'
import type { Identify } from './policy-set.ts'

/** Looks for what a source's policy identifies its events by, in the payload as it was submitted. */
export function compileIdentify(identify: Identify = {}): (submitted: Json) => FoundIdentity {
  const readers = Object.entries(identify).map(([part, pointer]) => [part, compilePath(pointer)] as const)
  return submitted => {
    const found: { [part: string]: Json | undefined } = {}
    for (const [part, read] of readers) found[part] = read(submitted)
    return found
  }
}
