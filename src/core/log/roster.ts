import { compareBytes, knownHex } from '../bytes.ts'
import { identityKey } from '../closed-object.ts'
import { digestHex } from '../digest.ts'
import { accepted, type Outcome, refused } from '../fault.ts'

const ROSTER_OPERATORS_MAX = 1024

/** Whose agents may certify a stream that names these itself, on a node that has these others. */
export function acceptedOperators(named: readonly string[], ofNode: readonly string[]): readonly string[] {
  return named.length > 0 ? named : ofNode
}

/** Names the set of operators that a stream accepts: their keys as bytes, ascending, each once. */
export function rosterDigest(operatorKeys: readonly string[]): Outcome<string> {
  if (operatorKeys.length > ROSTER_OPERATORS_MAX)
    return refused('header-invalid', `a roster may list at most ${ROSTER_OPERATORS_MAX} operators`)
  for (const [i, key] of operatorKeys.entries()) {
    const wrong = identityKey(key)
    if (wrong !== undefined)
      return refused('header-invalid', `an operator's key must be ${wrong.must}`, `/${i}`)
  }
  const keys = [...new Set(operatorKeys)].map(knownHex).sort(compareBytes)
  return accepted(digestHex('assay:roster:1', ...keys))
}
