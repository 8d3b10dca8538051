import type { Audience } from '../audience.ts'
import { canonicalJson, type Json } from '../canonical-json.ts'
import type { ConstantMember } from '../event/line.ts'
import type { Outcome } from '../fault.ts'
import type { FusionPolicy } from '../fusion/read-fusion.ts'
import type { PolicySet, SourcePolicy } from '../policy/policy-set.ts'
import { readPolicySet } from '../policy/read-policy-set.ts'

/** What the settings say of streams and sources that have no policy of their own. */
export type PolicyDefaults = {
  readonly normalize?: SourcePolicy | undefined
  readonly fusion?: FusionPolicy | undefined
}

/** Tells the same defaults from other ones. */
export function defaultsText({ normalize = {}, fusion }: PolicyDefaults): string {
  return canonicalJson({ normalize, ...(fusion !== undefined && { fusion }) })
}

/** A source that writes to a stream, with its policy in canonical form where it has one of its own. */
export type Writer = { readonly sourceId: string; readonly policy?: Json }

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
    ...(fusion !== undefined && { fusion }),
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

function policiesOf(writers: readonly Writer[]): { [sourceId: string]: Json } {
  return Object.fromEntries(
    writers.flatMap(({ sourceId, policy }) => (policy === undefined ? [] : [[sourceId, policy]])),
  )
}
