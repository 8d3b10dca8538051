import { type Level, quorums } from '../level.ts'
import { type Leaf, noLeaf, type ResultStatus } from './pipeline.ts'

/** One result as a vote. The operator is the seat's, as the job names it; what a result says of itself is nothing. */
export type Vote = {
  readonly operator: string
  readonly status: ResultStatus
  readonly leaves: readonly Leaf[]
}

export type Verdict =
  | { readonly kind: 'agreed'; readonly leaf: Leaf }
  /** Answers differ, and none has its quorum. */
  | { readonly kind: 'dissent' }
  /** Too few answers, all alike. */
  | { readonly kind: 'waiting' }

/**
 * What the results of one job say about each of its members. Judges, coordinator and verifier all ask here.
 * A quorum is more than half of the seats, so no member ever has two; `critical` takes all of them, so one
 * dissent is enough against it.
 */
export function verdicts(level: Level, memberCount: number, votes: readonly Vote[]): Verdict[] {
  const completed = votes.filter(vote => vote.status === 'completed')
  return Array.from({ length: memberCount }, (_, member) => verdictOn(level, answersOn(member, completed)))
}

function verdictOn(level: Level, answers: readonly Leaf[]): Verdict {
  const counts = new Map<Leaf, number>()
  for (const leaf of answers) counts.set(leaf, (counts.get(leaf) ?? 0) + 1)
  const [agreed, another] = [...counts].filter(([, count]) => count >= quorums[level].agreeing)
  // Two quorums take more votes than a job has seats; whoever counts such votes is told nothing by them.
  if (agreed !== undefined && another === undefined) return { kind: 'agreed', leaf: agreed[0] }
  return { kind: counts.size > 1 ? 'dissent' : 'waiting' }
}

/** One answer per operator: who says two things about a member says nothing about it. */
function answersOn(member: number, votes: readonly Vote[]): Leaf[] {
  const byOperator = new Map<string, Leaf>()
  for (const { operator, leaves } of votes) {
    const leaf = leaves[member] ?? noLeaf
    const earlier = byOperator.get(operator)
    byOperator.set(operator, earlier === undefined || earlier === leaf ? leaf : noLeaf)
  }
  return [...byOperator.values()].filter(leaf => leaf !== noLeaf)
}
