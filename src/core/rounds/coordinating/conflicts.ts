import { type Leaf, noLeaf, type ResultStatus } from '../pipeline.ts'
import type { Decision } from './decide.ts'
import type { LiveResult, SentJob } from './thread.ts'

/** Answers to one packet that were not all the same, with what was decided and why. */
export type Conflict = {
  /** Index in the round. */
  readonly member: number
  /** agreed: over dissent. retried: nobody had a quorum. split: no more tries. */
  readonly decision: 'agreed' | 'retried' | 'split'
  readonly leaf: Leaf | null
  /** In the order of the seats; who did not answer is not listed. */
  readonly votes: readonly ConflictVote[]
  readonly reason: string
  readonly policyDigest: string
}

export type ConflictVote = {
  readonly operator: string
  readonly agentKey: string
  readonly status: ResultStatus
  /** Null: no answer for this packet. */
  readonly leaf: Leaf | null
  readonly resultTxid: string
}

type Decided = Exclude<Decision, { kind: 'wait' | 'follow' }>

/** Of each member over which the answers of a decided job differ. */
export function conflictsIn(
  job: SentJob,
  results: readonly LiveResult[],
  decision: Decided,
  policyDigestOf: (member: number) => string,
): Conflict[] {
  const { facts, seats } = job.role
  const going = goingOf(decision)
  return facts.members.flatMap((member, at): Conflict[] => {
    const votes = [...results]
      .sort((a, b) => a.seat - b.seat)
      .flatMap(({ seat, status, leaves, txid }): ConflictVote[] => {
        const seated = seats[seat]
        if (seated === undefined) return []
        const said = status === 'completed' ? (leaves[at] ?? noLeaf) : noLeaf
        const { operator, agentKey } = seated
        return [{ operator, agentKey, status, leaf: said === noLeaf ? null : said, resultTxid: txid }]
      })
    if (new Set(votes.map(({ leaf }) => leaf)).size < 2) return []
    const left = decision.leaving.find(leaving => leaving.member === member)
    // Neither goes on nor leaves: it had left before, and is in another round.
    if (left === undefined && !going.has(member)) return []
    const policyDigest = policyDigestOf(member)
    if (left === undefined) {
      const leaf = mostSaid(votes)
      return [
        {
          member,
          decision: 'agreed',
          leaf,
          votes,
          reason: `${facts.level}: a quorum said the same`,
          policyDigest,
        },
      ]
    }
    const isSplit = left.packet.status === 'split'
    return [
      {
        member,
        decision: isSplit ? 'split' : 'retried',
        leaf: null,
        votes,
        reason: reasons[left.why],
        policyDigest,
      },
    ]
  })
}

const reasons = {
  dissent: 'no quorum said the same',
  'no-answer': 'too few answered for a quorum',
  behind: 'a packet before it in its partition did not go on',
  'other-version': 'it was certified before, with another version',
} as const

function goingOf(decision: Decided): ReadonlySet<number> {
  if (decision.kind === 'advance') return new Set(decision.members)
  return new Set(decision.kind === 'certify' ? decision.members.map(({ index }) => index) : [])
}

function mostSaid(votes: readonly ConflictVote[]): Leaf | null {
  const counts = new Map<Leaf, number>()
  for (const { leaf } of votes) if (leaf !== null) counts.set(leaf, (counts.get(leaf) ?? 0) + 1)
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null
}
