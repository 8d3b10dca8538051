import { type Level, quorums } from '../core/level.ts'
import { verdicts } from '../core/rounds/agreement.ts'
import type { Leaf, ResultStatus } from '../core/rounds/pipeline.ts'

/** A seat of one job as its row has it. */
export type SeatRow = {
  readonly agentKey: string
  readonly operator: string
  /** Undefined while nothing that counts has been answered; an answer without its work is none. */
  readonly answer: { readonly status: ResultStatus; readonly leaves: readonly Leaf[] } | undefined
}

export type JobProgress = {
  readonly progress: 'waiting' | 'answered' | 'agreed'
  readonly agentResponses: readonly { readonly agentId: string; readonly status: ResultStatus }[]
  /** Members that are agreed, in whole percent, rounded down: 100 is all of them. */
  readonly completionPercentage: number
  readonly consensusAchieved: boolean
  /** Distinct operators behind the answer of the member that has fewest, of those that must agree. */
  readonly operatorsAgreeing: number
  readonly operatorsNeeded: number
}

/** How far one job is. Consensus is equal answers of distinct operators over every member, and never a count of evidence. */
export function jobProgress(level: Level, members: number, seats: readonly SeatRow[]): JobProgress {
  const answered = seats.flatMap(({ agentKey, operator, answer }) =>
    answer === undefined ? [] : [{ ...answer, agentKey, operator }],
  )
  const found = verdicts(level, members, answered)
  const agreed = found.filter(({ kind }) => kind === 'agreed').length
  const consensusAchieved = members > 0 && agreed === members
  return {
    progress: consensusAchieved ? 'agreed' : answered.length > 0 ? 'answered' : 'waiting',
    agentResponses: answered.map(({ agentKey, status }) => ({ agentId: agentKey, status })),
    completionPercentage: members === 0 ? 0 : Math.floor((100 * agreed) / members),
    consensusAchieved,
    operatorsAgreeing: fewestAgreeing(members, answered),
    operatorsNeeded: quorums[level].agreeing,
  }
}

type Answered = { readonly operator: string; readonly status: ResultStatus; readonly leaves: readonly Leaf[] }

function fewestAgreeing(members: number, answered: readonly Answered[]): number {
  if (members === 0) return 0
  const perMember = Array.from({ length: members }, (_, member) => mostAlike(member, answered))
  return Math.min(...perMember)
}

/** Equal answers of distinct operators. */
function mostAlike(member: number, answered: readonly Answered[]): number {
  const operators = new Map<string, Set<Leaf>>()
  for (const { operator, status, leaves } of answered) {
    const leaf = leaves[member]
    if (status !== 'completed' || leaf === undefined || /^0+$/.test(leaf)) continue
    operators.set(operator, (operators.get(operator) ?? new Set()).add(leaf))
  }
  const counts = new Map<Leaf, number>()
  // Who says two things says nothing.
  for (const said of operators.values())
    if (said.size === 1) for (const leaf of said) counts.set(leaf, (counts.get(leaf) ?? 0) + 1)
  return Math.max(0, ...counts.values())
}
