import { quorums } from '../../level.ts'
import { type Vote, verdicts } from '../agreement.ts'
import type { JobFacts, Leaf, Outpoint } from '../pipeline.ts'
import { isTemplate, type Stage, stageAfter, stagesOf } from '../template.ts'
import { type History, roleAt } from './history.ts'

export type Step = {
  readonly facts: JobFacts
  /** The leaves of these members, or the sentence that says which of them has no quorum. */
  readonly agreedLeaves: (members: readonly number[]) => Leaf[] | string
}

/** What a later job or a certificate (no stage) says of itself. */
type Successor = Pick<JobFacts, 'coordinator' | 'subject' | 'template' | 'level'> & {
  readonly stage?: string
}

/** The job whose thread these inputs spend, with what the results spent beside it agree on. */
export function stepFrom(inputs: readonly Outpoint[], next: Successor, history: History): Step | string {
  const threads = inputs.filter(input => isThread(input, history))
  const [thread] = threads
  const job = thread && roleAt(thread, history)
  if (threads.length !== 1 || job?.kind !== 'job' || thread === undefined)
    return `it spends ${threads.length} threads; a step spends the thread of exactly one job`
  const { facts } = job
  if (stageFollowing(facts) !== next.stage) return 'it does not follow the stage whose thread it spends'
  for (const key of ['coordinator', 'subject', 'template', 'level'] as const)
    if (facts[key] !== next[key]) return `its ${key} is not that of the job whose thread it spends`

  const votes: Vote[] = []
  for (const input of inputs) {
    const role = roleAt(input, history)
    if (input === thread || role?.kind === 'plain') continue
    if (role?.kind !== 'result' || input.vout !== 0 || role.jobOutpoint.txid !== thread.txid)
      return 'it spends something that is neither fuel nor a result of the job whose thread it spends'
    const operator = job.seats[role.jobOutpoint.vout]?.operator
    if (operator !== undefined) votes.push({ operator, status: role.status, leaves: role.leaves })
  }
  return { facts, agreedLeaves: members => agreedLeaves(facts, votes, members) }
}

function agreedLeaves(facts: JobFacts, votes: readonly Vote[], members: readonly number[]): Leaf[] | string {
  const agreed = new Map<number, Leaf>()
  verdicts(facts.level, facts.members.length, votes).forEach((verdict, i) => {
    const member = facts.members[i]
    if (member !== undefined && verdict.kind === 'agreed') agreed.set(member, verdict.leaf)
  })
  const leaves: Leaf[] = []
  for (const member of members) {
    const leaf = agreed.get(member)
    if (leaf === undefined)
      return `the results it spends do not agree on member ${member}; level ${facts.level} needs ${quorums[facts.level].agreeing} of distinct operators`
    leaves.push(leaf)
  }
  return leaves
}

/** undefined: the certificate. */
function stageFollowing(facts: JobFacts): Stage | undefined | 'none' {
  if (!isTemplate(facts.template)) return 'none'
  const stage = stagesOf(facts.template).find(known => known === facts.stage)
  return stage === undefined ? 'none' : stageAfter(facts.template, stage)
}

function isThread(input: Outpoint, history: History): boolean {
  const role = roleAt(input, history)
  return role?.kind === 'job' && input.vout === role.seats.length
}
