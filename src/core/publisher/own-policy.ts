import type { Json, JsonObject } from '../canonical-json.ts'
import { type Outcome, type Refusal, refused, refusedInside } from '../fault.ts'
import type { PolicySet } from '../policy/policy-set.ts'
import { readStream, type StreamInput } from '../registry/read-stream.ts'
import { type Writer, withWriters } from '../registry/stream-policy.ts'
import { COMPILED_WEIGHT_MIN, compiledFor, weightOf } from '../rules/weight.ts'

export type PolicyOwner = {
  readonly settings: Omit<StreamInput, 'policy'>
  /** All that write to the stream, and those of them that are its owner's. */
  readonly writers: readonly Writer[]
  readonly feedIds: readonly string[]
  readonly ownerKey: string
  /** What different schemas and patterns may weigh together. */
  readonly weightMax: number
}

/** A tenth of what operators may put: reading a set compiles it, and keeps a node from everything else meanwhile. */
export const STREAM_WEIGHT_MAX = 1_000
/** Of a feed's own, which goes into the set of each of its streams. */
export const FEED_WEIGHT_MAX = 250

/** The set that would be in force: what the owner of a stream says, with what its feeds say themselves. */
export function readOwnPolicy(
  policy: Json,
  { settings, writers, feedIds, ownerKey, weightMax }: PolicyOwner,
): Outcome<PolicySet> {
  const stream = readStream({ ...(settings as unknown as JsonObject), policy })
  if (!stream.ok) return stream
  const { policy: given } = stream.value
  if (given === undefined) throw new Error('a policy was given, and the stream that was read has none')
  const unfit = ownPolicyUnfit(given, { ownerKey, feedIds })
  if (unfit !== undefined) return unfit
  const set = withWriters(given, writers)
  if (!set.ok) return refusedInside(set.fault, '/policy')
  const weight = weightOfSet(set.value)
  if (weight <= weightMax) return set
  return refused(
    'policy-invalid',
    `its different schemas and patterns weigh ${weight}, more than the ${weightMax} that a publisher may put; simplify or share them`,
    '/policy',
  )
}

/** Why an owner may not have this policy: it would speak for others. */
function ownPolicyUnfit(
  set: PolicySet,
  { ownerKey, feedIds }: { readonly ownerKey: string; readonly feedIds: readonly string[] },
): Refusal | undefined {
  if (set.owner !== undefined && set.owner.identityKey !== ownerKey)
    return refused(
      'policy-invalid',
      'manifests would name somebody else as the owner; name your own identity key, or leave it out',
      '/policy/owner/identityKey',
    )
  const stranger = Object.keys(set.sources).find(id => id !== '*' && !feedIds.includes(id))
  if (stranger === undefined) return undefined
  return refused(
    'policy-invalid',
    `no feed of yours is called ${JSON.stringify(stranger)}; "*" speaks for all that have no entry of their own`,
    '/policy/sources',
  )
}

/** What is compiled for it, each once. */
export function weightOfSet(set: PolicySet): number {
  const rules = [set, ...Object.values(set.sources)].flatMap(({ rules = [] }) => rules)
  const weights = new Map<string, number>()
  for (const rule of rules) {
    const what = compiledFor(rule)
    if (what !== undefined) weights.set(what, Math.max(COMPILED_WEIGHT_MIN, weightOf(rule)))
  }
  return [...weights.values()].reduce((total, weight) => total + weight, 0)
}
