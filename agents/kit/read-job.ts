import type { Beef, BeefTransaction } from '../../src/contract/beef.ts'
import { readHistory } from '../../src/contract/judge-beef.ts'
import { pipelineTransaction } from '../../src/contract/pipeline-transaction.ts'
import { checkSpends } from '../../src/contract/spend.ts'
import { readToken } from '../../src/contract/tokens.ts'
import { accepted, type Outcome, refused } from '../../src/core/fault.ts'
import { verdicts } from '../../src/core/rounds/agreement.ts'
import { type Host, judge } from '../../src/core/rounds/judging/judge.ts'
import { type TrailStage, trailOf } from '../../src/core/rounds/judging/trail.ts'
import { type JobFacts, type Leaf, noLeaf, type Role } from '../../src/core/rounds/pipeline.ts'
import type { Stage, Template } from '../../src/core/rounds/template.ts'

/** A job as one agent has it: what it asks, the seat in it, and what the stages before have agreed on. */
export type AgentJob = {
  readonly transaction: BeefTransaction
  /** With all its pipeline ancestors; the job is the last. */
  readonly history: readonly BeefTransaction[]
  readonly facts: JobFacts
  readonly stage: Stage
  readonly seat: number
  /** Where the parts of the round are. */
  readonly locations: readonly string[]
  /** What the stage before agreed on, by member of this job; none at the first stage. */
  readonly agreed: readonly Leaf[] | undefined
  /** The same of the stage before that. */
  readonly agreedBefore: readonly Leaf[] | undefined
  /** What the answers of the stage before may have taken. */
  readonly agreedBytesMax: number
}

/** Who reads, and whom it works for. */
export type JobReader = {
  readonly kind: Stage
  readonly agentKey: string
  readonly operator: string
  readonly coordinators: ReadonlySet<string>
  readonly packetsMax: number
  /** So far ahead its deadline may be. */
  readonly jobMsMax: number
  /** Kinds of work that it does. */
  readonly templates: readonly Template[]
}

/**
 * The job that is the subject of a BEEF, if it is one for this agent: every token, spend and rule in it checked, but for blocks, as nothing
 * is risked by it but work. What is cheap to ask is asked first.
 */
export function readJob(beef: Beef, reader: JobReader, nowMs: number): Outcome<AgentJob> {
  const { subject } = beef
  const { role } = pipelineTransaction(subject)
  if (role.kind !== 'job')
    return notOurs(role.kind === 'malformed' ? role.why : `it is no job but ${role.kind}`)
  const seat = role.seats.findIndex(({ agentKey }) => agentKey === reader.agentKey)
  const why = against(role, seat, reader, nowMs)
  if (why !== undefined) return notOurs(why)

  const spends = checkSpends(beef)
  if (!spends.ok) return spends
  const history = readHistory(beef)
  if (!history.ok) return history
  const admission = judge(subject.txid, history.value, hostOf(reader))
  if (!admission.ok) return admission
  const token = readToken(subject.outputs[seat]?.script ?? nothing)
  if (!token.ok) return token
  if (token.value.tag !== 'GDJ1') return notOurs('its seat is no seat')

  const job = history.value.get(subject.txid)
  const [, before, beforeThat] = job === undefined ? [] : [job, ...trailOf(job, history.value)]
  return accepted({
    transaction: subject,
    history: beef.transactions,
    facts: role.facts,
    stage: reader.kind,
    seat,
    locations: token.value.body.locations,
    agreed: before && agreedAt(before, role.facts),
    agreedBefore: beforeThat && agreedAt(beforeThat, role.facts),
    agreedBytesMax: before?.facts.outputBytesMax ?? 0,
  })
}

function against(
  { facts, seats }: Extract<Role, { kind: 'job' }>,
  seat: number,
  { kind, operator, coordinators, packetsMax, jobMsMax, templates }: JobReader,
  nowMs: number,
): string | undefined {
  if (facts.stage !== kind) return `it is a job for ${facts.stage}, and this agent works at ${kind}`
  if (!templates.some(template => template === facts.template))
    return `it is of template ${facts.template}, and this agent works on ${templates.join(' and ')}`
  if (seat < 0) return 'none of its seats is for this agent'
  if (seats[seat]?.operator !== operator) return 'its seat names another operator than answers for this agent'
  if (!coordinators.has(facts.coordinator))
    return `its coordinator ${facts.coordinator} is not on the list of logs that this agent works for (AGENT_LOGS)`
  if (facts.deadlineMs <= nowMs) return 'its deadline has passed'
  // A job whose parts never come is asked for until then.
  if (facts.deadlineMs > nowMs + jobMsMax)
    return `its deadline is more than ${jobMsMax} ms ahead; set one that is nearer, or raise AGENT_JOB_MS_MAX here`
  return facts.members.length > packetsMax
    ? `it has ${facts.members.length} packets, and this agent takes ${packetsMax}`
    : undefined
}

function hostOf({ coordinators, templates }: JobReader): Host {
  return { templates, coordinators }
}

/** Of the members that are still asked about. The judge has seen to it that there is such a leaf for each. */
function agreedAt({ facts, answers }: TrailStage, { members }: JobFacts): Leaf[] {
  const found = verdicts(facts.level, facts.members.length, answers)
  return members.map(member => {
    const verdict = found[facts.members.indexOf(member)]
    return verdict?.kind === 'agreed' ? verdict.leaf : noLeaf
  })
}

function notOurs(why: string): Outcome<never> {
  return refused('not-admitted', `this job is not taken: ${why}`)
}

const nothing = new Uint8Array(0)
