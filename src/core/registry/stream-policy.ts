import type { Audience } from '../audience.ts'
import { canonicalJson, isObject, type Json, type JsonObject } from '../canonical-json.ts'
import type { ConstantMember } from '../event/line.ts'
import type { Outcome } from '../fault.ts'
import { TRUST_DEFAULT } from '../fusion/read-fusion.ts'
import type { PolicySet } from '../policy/policy-set.ts'
import { readPolicySet } from '../policy/read-policy-set.ts'

/** What the settings say of streams and sources that have no policy of their own: a source's policy, and fusion. */
export type PolicyDefaults = {
  readonly normalize?: Json | undefined
  readonly fusion?: JsonObject | undefined
}

/** Tells the same defaults from other ones, and holds all of them. */
export function defaultsText({ normalize = {}, fusion }: PolicyDefaults): string {
  return canonicalJson({ normalize, ...(fusion !== undefined && { fusion }) })
}

/** A source that writes to a stream, with its policy in canonical form where it has one of its own. */
export type Writer = { readonly sourceId: string; readonly trustWeight: number; readonly policy?: Json }

/** The policy set of a stream whose owner has decided nothing. */
export function defaultPolicy(
  audience: Audience,
  writers: readonly Writer[],
  { normalize, fusion }: PolicyDefaults,
): Outcome<PolicySet> {
  return readPolicySet({
    v: 1,
    classification: audience,
    constants: writers.length === 1 ? [...sameInStream, ...sameInSource] : sameInStream,
    sources: { ...(normalize !== undefined && { '*': normalize }), ...policiesOf(writers) },
    ...(fusion !== undefined && { fusion: weighing(writers, fusion) }),
  })
}

/**
 * The policy set that an owner has given, with what its sources decide themselves. `left`: sources that had a policy of
 * their own in it and have none there any more.
 */
export function withWriters(
  set: PolicySet,
  writers: readonly Writer[],
  left: readonly string[] = [],
): Outcome<PolicySet> {
  const kept = Object.entries(set.sources).filter(([sourceId]) => !left.includes(sourceId))
  const { constants = [] } = set
  return readPolicySet({
    ...set,
    // A packet ends where a constant changes: two sources that take turns would have a packet each time.
    constants: writers.length > 1 ? constants.filter(member => !sameInSource.includes(member)) : constants,
    sources: { ...Object.fromEntries(kept), ...policiesOf(writers) },
  })
}

const sameInStream: readonly ConstantMember[] = ['schemaVersion', 'streamId', 'domain']
const sameInSource: readonly ConstantMember[] = ['sourceId', 'sourceVersion']

/** What the settings say of a source's weight goes before what its registration says. */
function weighing(writers: readonly Writer[], fusion: JsonObject): JsonObject {
  const weights = writers
    .filter(({ trustWeight }) => trustWeight !== TRUST_DEFAULT)
    .map(({ sourceId, trustWeight }) => [sourceId, trustWeight] as const)
  const given = fusion['trust']
  return { ...fusion, trust: { ...Object.fromEntries(weights), ...(isObject(given) && given) } }
}

function policiesOf(writers: readonly Writer[]): { [sourceId: string]: Json } {
  return Object.fromEntries(
    writers.flatMap(({ sourceId, policy }) => (policy === undefined ? [] : [[sourceId, policy]])),
  )
}
