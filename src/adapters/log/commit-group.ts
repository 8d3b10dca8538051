import { DatabaseError, type Pool } from 'pg'
import type { AppendOutcome } from '../../ingest/append.ts'
import { inTransaction } from '../postgres/sql.ts'
import {
  answeredUnderKey,
  type GroupMember,
  isOpen,
  outcomeOf,
  partitionsOf,
  released,
  type Work,
  workOn,
} from './group-work.ts'
import { type Head, lockHeads } from './heads.ts'
import { noteReleases } from './holdings.ts'
import { keepAnswers } from './idempotency.ts'
import { type PlacedAt, place } from './lay-out.ts'
import { type IdsTaken, settleEventIds, settleNativeIds } from './settle-identities.ts'
import { settleHeld, settleKeys, settleLeaving, settleReleases, settleShares } from './settle-requests.ts'

export type GroupOutcome =
  | {
      readonly kind: 'committed'
      readonly outcomes: readonly AppendOutcome[]
      /** As they are now. */
      readonly heads: readonly Head[]
    }
  /** Nothing was taken: the members at these places know an older policy than their streams have. */
  | { readonly kind: 'stale'; readonly members: ReadonlySet<number> }
  /** Nothing was taken: there is an id among them that is not new. */
  | { readonly kind: 'repeats' }

/**
 * Takes several offers in one transaction, in their order: all that is answered is durable when this resolves. Whatever
 * has rows is locked kind by kind in the order of these lines, and in ascending order within a kind.
 */
export async function commitGroup(
  group: readonly GroupMember[],
  { pool, nowMs, operators, begin, ids }: CommitGroupDeps,
): Promise<GroupOutcome> {
  const isRepeat = (error: unknown) => ids === 'as-new' && violatesIds(error)
  return inTransaction<GroupOutcome>(
    pool,
    async db => {
      const works = group.map(workOn)
      await settleKeys(db, works, nowMs)
      await settleReleases(db, works)
      await settleShares(db, works, nowMs)
      if ((await orRepeats(settleNativeIds(db, works, ids, nowMs), isRepeat)) === 'repeats')
        return { kind: 'repeats' }
      await settleLeaving(db, works, nowMs)
      await settleHeld(db, works)
      const heads = new Map((await lockHeads(db, partitionsOf(works))).map(head => [head.partitionId, head]))
      const stale = works.flatMap((work, i) => (isStale(work, heads) ? [i] : []))
      if (stale.length > 0) return { kind: 'stale', members: new Set(stale) }
      if ((await orRepeats(settleEventIds(db, works, ids), isRepeat)) === 'repeats')
        return { kind: 'repeats' }
      const written = await place(db, works, heads, { nowMs, operators })
      await noteReleases(db, works.flatMap(released), nowMs)
      await keepAnswers(db, works.flatMap(answeredUnderKey))
      return { kind: 'committed', outcomes: works.map(outcomeOf), heads: written }
    },
    { begin, keep: ({ kind }) => kind === 'committed' },
  )
}

export type CommitGroupDeps = PlacedAt & {
  readonly pool: Pool
  readonly begin: string
  readonly ids: IdsTaken
}

/** What has failed over it can only be rolled back. */
async function orRepeats(
  settled: Promise<void>,
  isRepeat: (error: unknown) => boolean,
): Promise<'repeats' | undefined> {
  try {
    await settled
    return undefined
  } catch (error) {
    if (isRepeat(error)) return 'repeats'
    throw error
  }
}

const UNIQUE_VIOLATION = '23505'

function violatesIds(error: unknown): boolean {
  if (!(error instanceof DatabaseError) || error.code !== UNIQUE_VIOLATION) return false
  return error.constraint === 'event_ids_pkey' || error.constraint === 'native_ids_pkey'
}

function isStale(work: Work, heads: ReadonlyMap<number, Head>): boolean {
  const { offer, partitions } = work.member
  if (!isOpen(work)) return false
  // The stream is read as it was before the wait for the head's lock; what was appended meanwhile knows better.
  return partitions.some(({ id }) => {
    const { streamPolicyNo = 0, policyNo = 0 } = heads.get(id) ?? {}
    return Math.max(streamPolicyNo, policyNo) > offer.stream.policyNo
  })
}
