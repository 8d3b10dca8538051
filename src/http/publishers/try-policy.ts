import type { Json } from '../../core/canonical-json.ts'
import { orThrow } from '../../core/fault.ts'
import { FEED_WEIGHT_MAX } from '../../core/publisher/own-policy.ts'
import { readStream } from '../../core/registry/read-stream.ts'
import type { DryOutcome, DryRun } from '../../ingest/dry-run.ts'
import type { Problem } from '../problem.ts'
import { isProblem, problemOf } from './answering.ts'
import type { PublisherRouteDeps } from './publisher-ports.ts'

/** Of one that a publisher sends; operators may put larger ones. */
const POLICY_CHARS_MAX = 128 * 1024

/**
 * Reads and tries it in the thread that policies are tried in: here it could keep everybody waiting for seconds. What it is tried with
 * is asked for once it is this identity's turn, as it can be a lot.
 */
export async function tryPolicy(
  { identityKey, policy }: { readonly identityKey: string; readonly policy: Json },
  triedWith: () => Promise<Omit<DryRun, 'policy' | 'nowMs'> | Problem>,
  deps: Pick<PublisherRouteDeps, 'tryPolicy' | 'now'>,
): Promise<{ readonly tried: DryOutcome } | Problem> {
  const { length } = JSON.stringify(policy)
  if (length > POLICY_CHARS_MAX)
    return problemOf({
      code: 'policy-invalid',
      detail: `the policy has ${length} characters, more than ${POLICY_CHARS_MAX}; shorten it`,
      pointer: '/policy',
    })
  const outcome = await deps.tryPolicy(identityKey, async run => {
    const found = await triedWith()
    return isProblem(found) ? found : run({ ...found, policy, nowMs: deps.now() })
  })
  if (typeof outcome === 'string') return refusals[outcome]
  if (!('ok' in outcome)) return outcome
  return outcome.ok ? { tried: outcome.value } : problemOf(outcome.fault)
}

/** Why a feed cannot have this policy of its own, as far as that does not depend on its streams. */
export async function tryFeedPolicy(
  identityKey: string,
  policy: Json | undefined,
  deps: PublisherRouteDeps,
): Promise<Problem | undefined> {
  if (policy === undefined || policy === null) return undefined
  const feedId = 'feed'
  const tried = await tryPolicy(
    { identityKey, policy: { v: 1, sources: { [feedId]: policy } } },
    async () => ({
      settings: orThrow(readStream({ streamId: feedId })),
      ...{ writers: [], feedIds: [feedId], ownerKey: identityKey, weightMax: FEED_WEIGHT_MAX },
      tried: { events: [] },
    }),
    deps,
  )
  if ('tried' in tried) return undefined
  const pointer = tried.more?.['pointer']
  if (typeof pointer !== 'string') return tried
  // As it stands in what was sent, and not in the set that was made of it.
  const inFeed = pointer.replace(`/policy/sources/${feedId}`, '/policy')
  return {
    ...tried,
    detail: tried.detail.replace(pointer, inFeed),
    more: { ...tried.more, pointer: inFeed },
  }
}

const refusals: Record<'too-costly' | 'busy' | 'one-at-a-time', Problem> = {
  'too-costly': {
    code: 'policy-too-costly',
    detail: 'reading the policy and trying it took longer than a few seconds, and was given up',
  },
  busy: {
    code: 'busy',
    detail: 'as many policies wait to be tried as may wait here',
    retryAfterSeconds: 2,
  },
  'one-at-a-time': {
    code: 'rate-limited',
    detail: 'another policy of yours is being tried at this moment',
    retryAfterSeconds: 1,
  },
}
