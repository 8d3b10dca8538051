import type { Json, JsonObject } from '../canonical-json.ts'
import { type Outcome, type Refusal, refused, refusedInside } from '../fault.ts'
import type { PolicySet } from '../policy/policy-set.ts'
import { readStream, type StreamInput } from '../registry/read-stream.ts'
import { type Writer, withWriters } from '../registry/stream-policy.ts'

export type PolicyOwner = {
  readonly settings: Omit<StreamInput, 'policy'>
  /** All that write to the stream, and those of them that are its owner's. */
  readonly writers: readonly Writer[]
  readonly feedIds: readonly string[]
  readonly ownerKey: string
}

/** The set that would be in force: what the owner of a stream says, with what its feeds say themselves. */
export function readOwnPolicy(
  policy: Json,
  { settings, writers, feedIds, ownerKey }: PolicyOwner,
): Outcome<PolicySet> {
  const stream = readStream({ ...(settings as unknown as JsonObject), policy })
  if (!stream.ok) return stream
  const { policy: given } = stream.value
  if (given === undefined) throw new Error('a policy was given, and the stream that was read has none')
  const unfit = ownPolicyUnfit(given, { ownerKey, feedIds })
  if (unfit !== undefined) return unfit
  const set = withWriters(given, writers)
  return set.ok ? set : refusedInside(set.fault, '/policy')
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
