import { canonicalHash, type Json } from '../canonical-json.ts'
import { qualityFlags } from '../event/quality-flags.ts'
import { orThrow } from '../fault.ts'
import { type ClosedWindow, latestBySource, type Observation } from './open-windows.ts'
import { type FusionPolicy, TRUST_DEFAULT } from './read-fusion.ts'

/** The one record of a closed window: what was decided, from what, and every observation that was overruled. */
export type FusedRecord = {
  readonly fused: true
  readonly decision: 'agreed' | 'undecided'
  readonly strategy: FusionPolicy['strategy']
  readonly key: string
  readonly windowStartMs: number
  readonly windowEndMs: number
  /** The number or payload chosen; null where undecided. */
  readonly value: Json
  /** eventId of the observation that the value is taken from; null where undecided. */
  readonly chosen: string | null
  /** The votes that say what was decided, by (eventTimeMs, eventId); so are those that do not. */
  readonly from: readonly Witness[]
  readonly overruled: readonly (Witness & { readonly reason: Reason })[]
  /** Observations that the window had no room for. */
  readonly dropped: number
  readonly qualityFlags: number
}

type Witness = {
  readonly eventId: string
  readonly sourceId: string
  readonly eventTimeMs: number
  /** What it said, where a number was asked for; a whole payload stands in the event's own line. */
  readonly value?: Json
}

/**
 * `superseded`: its source said something later in the same window. `disagrees`: outside the tolerance of the
 * quorum. `outranked`: another source comes first. `off-median`: not the median. `no-quorum`: too few sources
 * agreed, so nothing was decided.
 */
type Reason = 'superseded' | 'disagrees' | 'outranked' | 'off-median' | 'no-quorum'

export function decideWindow(window: ClosedWindow, policy: FusionPolicy): FusedRecord {
  const rank = ranking(policy)
  const votes = [...latestBySource(window.observations).values()].sort(rank)
  const choice = votes.length < policy.min ? undefined : choose(votes, policy)

  const from: Witness[] = []
  const overruled: (Witness & { reason: Reason })[] = []
  for (const seen of window.observations.toSorted(byTime)) {
    const witness = asWitness(seen, policy)
    if (!votes.includes(seen)) overruled.push({ ...witness, reason: 'superseded' })
    else if (choice === undefined) overruled.push({ ...witness, reason: 'no-quorum' })
    else if (choice.supports(seen)) from.push(witness)
    else overruled.push({ ...witness, reason: choice.overrules })
  }

  let flags = window.early || window.dropped > 0 ? qualityFlags.PARTIAL_COVERAGE : 0
  if (overruled.some(({ reason }) => reason === 'disagrees' || reason === 'no-quorum'))
    flags |= qualityFlags.SOURCE_DIVERGENCE
  for (const vote of votes) flags |= vote.qualityFlags
  return {
    fused: true,
    decision: choice === undefined ? 'undecided' : 'agreed',
    strategy: policy.strategy,
    key: window.key,
    windowStartMs: window.endMs - policy.windowMs,
    windowEndMs: window.endMs,
    value: choice?.winner.value ?? null,
    chosen: choice?.winner.eventId ?? null,
    from,
    overruled,
    dropped: window.dropped,
    qualityFlags: flags >>> 0,
  }
}

/** What remains of a record that its output has no room for: that there was something, and how much. */
export function withoutRoom(record: FusedRecord): FusedRecord {
  return {
    ...record,
    decision: 'undecided',
    value: null,
    chosen: null,
    from: [],
    overruled: [],
    dropped: record.dropped + record.from.length + record.overruled.length,
    qualityFlags: (record.qualityFlags | qualityFlags.PARTIAL_COVERAGE) >>> 0,
  }
}

type Choice = {
  readonly winner: Observation
  readonly supports: (vote: Observation) => boolean
  /** Why the others lost. */
  readonly overrules: Reason
}

/** `votes`: one per source, best first in the order of the tie-breakers. */
function choose(votes: readonly Observation[], policy: FusionPolicy): Choice | undefined {
  switch (policy.strategy) {
    case 'quorum':
      return byQuorum(votes, policy)
    case 'priority':
      return byPriority(votes, policy)
    case 'trust-median':
      return byTrustMedian(votes, policy)
  }
}

/** The vote that most sources agree with, if they are enough; of equals the better ranked. */
function byQuorum(votes: readonly Observation[], policy: PolicyOf<'quorum'>): Choice | undefined {
  const said = votes.map(({ value }) => comparable(value, policy))
  let supporters: readonly Observation[] = []
  let winner: Observation | undefined
  for (const [i, candidate] of votes.entries()) {
    const centre = said[i]
    const agreeing = votes.filter((_, j) => agrees(centre, said[j], policy))
    if (agreeing.length < policy.min || agreeing.length <= supporters.length) continue
    supporters = agreeing
    winner = candidate
  }
  return winner && { winner, supports: vote => supporters.includes(vote), overrules: 'disagrees' }
}

/** Payloads are equal where their hashes are: comparing texts pairwise would read each of them once per source. */
function comparable(value: Json, { field }: PolicyOf<'quorum'>): Json {
  return field === undefined ? orThrow(canonicalHash(value)) : value
}

function agrees(centre: Json | undefined, other: Json | undefined, policy: PolicyOf<'quorum'>): boolean {
  if (typeof centre !== 'number' || typeof other !== 'number') return centre === other
  return Math.abs(centre - other) <= Math.max(policy.absolute, policy.relative * Math.abs(centre))
}

/** The source listed first; sources that are not listed come after all that are. */
function byPriority(votes: readonly Observation[], policy: PolicyOf<'priority'>): Choice | undefined {
  const place = priorityOf(policy)
  const [winner] = votes.toSorted((a, b) => place(a) - place(b))
  return winner && { winner, supports: vote => vote === winner, overrules: 'outranked' }
}

/** The best ranked of the trusted votes that say the middle value, or one of two. */
function byTrustMedian(votes: readonly Observation[], policy: PolicyOf<'trust-median'>): Choice | undefined {
  const trust = trustOf(policy)
  const trusted = votes.filter(vote => trust(vote) > 0)
  const middle = middleValues(trusted, trust)
  const winner = trusted.find(vote => middle.includes(vote.value))
  return winner && { winner, supports: vote => vote.value === winner.value, overrules: 'off-median' }
}

/** The smallest value at which half of all trust is reached, and the next where it is reached exactly. */
function middleValues(votes: readonly Observation[], trust: (vote: Observation) => number): readonly Json[] {
  const rising = votes.toSorted((a, b) => Number(a.value) - Number(b.value))
  let total = 0
  for (const vote of rising) total += trust(vote)
  let reached = 0
  for (const [i, vote] of rising.entries()) {
    reached += trust(vote)
    if (2 * reached < total) continue
    const next = 2 * reached === total ? rising[i + 1] : undefined
    return next === undefined ? [vote.value] : [vote.value, next.value]
  }
  return []
}

type PolicyOf<S extends FusionPolicy['strategy']> = Extract<FusionPolicy, { strategy: S }>

/** Where the votes themselves decide nothing: more trust, then earlier in `priority`, then earlier, then the lower eventId. */
function ranking(policy: FusionPolicy): (a: Observation, b: Observation) => number {
  const trust = trustOf(policy)
  const place = priorityOf(policy)
  return (a, b) => trust(b) - trust(a) || place(a) - place(b) || byTime(a, b)
}

function trustOf({ trust }: FusionPolicy): (seen: Observation) => number {
  return ({ sourceId }) => (Object.hasOwn(trust, sourceId) ? trust[sourceId] : undefined) ?? TRUST_DEFAULT
}

function priorityOf({ priority }: FusionPolicy): (seen: Observation) => number {
  const places = new Map(priority.map((sourceId, place) => [sourceId, place]))
  return ({ sourceId }) => places.get(sourceId) ?? priority.length
}

function byTime(a: Observation, b: Observation): number {
  return a.eventTimeMs - b.eventTimeMs || byEventId(a, b)
}

function byEventId(a: Observation, b: Observation): number {
  return a.eventId < b.eventId ? -1 : a.eventId > b.eventId ? 1 : 0
}

function asWitness({ eventId, sourceId, eventTimeMs, value }: Observation, { field }: FusionPolicy): Witness {
  return { eventId, sourceId, eventTimeMs, ...(field !== undefined && { value }) }
}
