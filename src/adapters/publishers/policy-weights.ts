import { type Refusal, refused } from '../../core/fault.ts'
import { STREAM_WEIGHT_MAX, weightOfSet } from '../../core/publisher/own-policy.ts'
import type { Queryable } from '../postgres/sql.ts'
import { policyOfRow, streamRows } from '../registry/stream-rows.ts'

type Weights = ReadonlyMap<string, number>

/** What is compiled for the policy sets of streams; of one that there is not yet, nothing. */
export async function policyWeights(db: Queryable, streamIds: readonly string[]): Promise<Weights> {
  const weights = new Map(streamIds.map(streamId => [streamId, 0]))
  for (const row of await streamRows(db, streamIds))
    weights.set(row.streamId, weightOfSet(await policyOfRow(db, row)))
  return weights
}

/**
 * Why a publisher's change cannot stay: with it, a stream has more to compile than publishers may put into one, whichever of its feeds
 * says it. What was heavier before, by an operator's word, may become lighter.
 */
export async function grownTooHeavy(db: Queryable, before: Weights): Promise<Refusal | undefined> {
  for (const [streamId, weight] of await policyWeights(db, [...before.keys()]))
    if (weight > STREAM_WEIGHT_MAX && weight > (before.get(streamId) ?? 0))
      return refused(
        'policy-invalid',
        `the different schemas and patterns of all that write to stream ${streamId} would weigh ${weight}, more than the ${STREAM_WEIGHT_MAX} that publishers may put; simplify or share them`,
        '/policy',
      )
  return undefined
}
