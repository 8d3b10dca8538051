import { accepted, type Outcome, refused } from '../../fault.ts'
import { quorums } from '../../level.ts'
import { type JobFacts, noLeaf, type Outpoint, type PipelineTransaction, type Role } from '../pipeline.ts'
import { rootOver } from '../round.ts'
import { isTemplate, stagesOf, type Template, templates } from '../template.ts'
import { type History, missingParent, named, roleAt, spendsPipeline, spentTwice } from './history.ts'
import { stepFrom } from './step.ts'

/** What a host is configured to admit. A list that is absent leaves the choice to the reader of the certificate. */
export type Host = {
  readonly templates: readonly Template[]
  readonly coordinators?: ReadonlySet<string>
  readonly operators?: ReadonlySet<string>
}

/** Outputs to admit, and the one topic that admits them: a stage, or `certified`. A close has none. */
export type Admission = { readonly topic: string | undefined; readonly outputs: readonly number[] }

/**
 * Whether a transaction is admitted, from nothing but its BEEF and the host's configuration: no clock, no
 * table. Every pipeline transaction in the BEEF is held against its direct parents, so a history that breaks
 * a rule anywhere is refused as a whole. No recursion: a hostile graph costs its own length and no more.
 */
export function judge(txid: string, history: History, host: Host): Outcome<Admission> {
  const subject = history.get(txid)
  if (subject === undefined) return notAdmitted(`the BEEF does not hold ${named(txid)}; send it along`)
  const why = spentTwice(history) ?? firstObjection(history, host)
  if (why !== undefined) return notAdmitted(why)
  const admission = admissionOf(subject.role)
  if (admission.topic === undefined && !spendsPipeline(subject.inputs, history))
    return notAdmitted(`${named(txid)} neither holds a pipeline token nor spends one`)
  return accepted(admission)
}

function firstObjection(history: History, host: Host): string | undefined {
  for (const transaction of history.values()) {
    const why = objection(transaction, history, host)
    if (why !== undefined) return `${named(transaction.txid)}: ${why}`
  }
  return undefined
}

function objection({ inputs, role }: PipelineTransaction, history: History, host: Host): string | undefined {
  switch (role.kind) {
    case 'plain':
      return undefined
    case 'malformed':
      return role.why
    case 'result':
      return missingParent(inputs, history) ?? againstResult(inputs, role, history)
    case 'job':
      return (
        missingParent(inputs, history) ??
        againstClaim(role.facts, role.facts.members, host) ??
        againstSeats(role, host) ??
        againstJob(inputs, role.facts, history)
      )
    case 'certificate':
      return (
        missingParent(inputs, history) ??
        againstClaim(role, indexesOf(role), host) ??
        againstCertificate(inputs, role, history)
      )
  }
}

function admissionOf(role: Role): Admission {
  switch (role.kind) {
    case 'job':
      return { topic: role.facts.stage, outputs: upTo(role.seats.length + 1) }
    case 'result':
      return { topic: role.facts.stage, outputs: [0] }
    case 'certificate':
      return { topic: 'certified', outputs: upTo(role.members.length).map(member => 2 * member + 1) }
    default:
      return { topic: undefined, outputs: [] }
  }
}

type Claim = Pick<JobFacts, 'coordinator' | 'template' | 'level'>

function againstClaim(claim: Claim, members: readonly number[], host: Host): string | undefined {
  if (!isTemplate(claim.template) || !host.templates.includes(claim.template))
    return 'its template is not one that this host admits'
  if (host.coordinators !== undefined && !host.coordinators.has(claim.coordinator))
    return 'its coordinator is not one that this host admits'
  const { membersMax } = templates[claim.template]
  if (members.length === 0) return 'it names no member; at least one is needed'
  const ascending = members.every(
    (member, i) => Number.isSafeInteger(member) && member > (members[i - 1] ?? -1),
  )
  if (!ascending || (members.at(-1) ?? 0) >= membersMax)
    return `its members are not ascending indexes from 0 to ${membersMax - 1}`
  return undefined
}

function againstSeats({ facts, seats }: Extract<Role, { kind: 'job' }>, host: Host): string | undefined {
  const wanted = quorums[facts.level].seats
  const operators = new Set(seats.map(seat => seat.operator))
  if (seats.length !== wanted)
    return `it has ${seats.length} seats, and level ${facts.level} asks for ${wanted}`
  if (operators.size !== seats.length)
    return 'two of its seats belong to one operator; a quorum counts operators'
  if (facts.level !== 'basic' && operators.has(facts.coordinator))
    return `its coordinator sits in judgement on its own work, which level ${facts.level} does not allow`
  const { operators: known } = host
  if (known !== undefined && seats.some(seat => !known.has(seat.operator)))
    return 'one of its operators is not on the list of this host'
  return undefined
}

function againstJob(inputs: readonly Outpoint[], facts: JobFacts, history: History): string | undefined {
  const { template, stage, members, inputRoot } = facts
  const stages: readonly string[] = isTemplate(template) ? stagesOf(template) : []
  const at = stages.indexOf(stage)
  if (at < 0) return 'its stage is not one of its template'
  if (at === 0) {
    if (inputRoot !== noLeaf) return 'it is a first stage and names an input root other than zeros'
    if (spendsPipeline(inputs, history))
      return 'it is a first stage and spends an output of the pipeline; only fuel may begin a round'
    return undefined
  }
  const step = stepFrom(inputs, facts, history)
  if (typeof step === 'string') return step
  if (step.facts.inputHash !== facts.inputHash) return 'its round document is not that of the job before it'
  const leaves = step.agreedLeaves(members)
  if (typeof leaves === 'string') return leaves
  if (rootOver(leaves) !== inputRoot) return 'its input root is not the root over the leaves that were agreed'
  return undefined
}

type Certificate = Extract<Role, { kind: 'certificate' }>

function againstCertificate(
  inputs: readonly Outpoint[],
  role: Certificate,
  history: History,
): string | undefined {
  const step = stepFrom(inputs, role, history)
  if (typeof step === 'string') return step
  const leaves = step.agreedLeaves(indexesOf(role))
  if (typeof leaves === 'string') return leaves
  const other = role.members.find(({ versionId }, i) => versionId !== leaves[i])
  return other && `it certifies another version of member ${other.index} than the results agree on`
}

function indexesOf(role: Certificate): number[] {
  return role.members.map(({ index }) => index)
}

function againstResult(
  inputs: readonly Outpoint[],
  role: Extract<Role, { kind: 'result' }>,
  history: History,
): string | undefined {
  const [input] = inputs
  const job = input && roleAt(input, history)
  if (inputs.length !== 1 || input === undefined)
    return 'it is a result with more than the one input of its seat'
  if (job?.kind !== 'job') return 'it is a result that does not spend a job'
  const seat = job.seats[input.vout]
  if (seat === undefined) return 'it is a result that spends an output of its job that is no seat'
  if (role.jobOutpoint.txid !== input.txid || role.jobOutpoint.vout !== input.vout)
    return 'it is a result for another seat than the one it spends'
  if (role.agentKey !== seat.agentKey)
    return 'it is a result by another agent than the one its seat was given to'
  if (role.lockedTo !== job.facts.coordinator)
    return 'it is a result that its coordinator cannot spend; lock it to the issuer of the job'
  if (!sameFacts(role.facts, job.facts)) return 'it is a result that repeats other facts than its job states'
  if (role.leaves.length !== job.facts.members.length)
    return `it is a result with ${role.leaves.length} leaves for ${job.facts.members.length} members`
  return undefined
}

function sameFacts(a: JobFacts, b: JobFacts): boolean {
  return (
    a.coordinator === b.coordinator &&
    a.subject === b.subject &&
    a.template === b.template &&
    a.stage === b.stage &&
    a.level === b.level &&
    a.inputRoot === b.inputRoot &&
    a.inputHash === b.inputHash &&
    a.deadlineMs === b.deadlineMs &&
    a.outputBytesMax === b.outputBytesMax &&
    a.members.length === b.members.length &&
    a.members.every((member, i) => member === b.members[i])
  )
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

function notAdmitted(why: string): Outcome<never> {
  return refused('not-admitted', why)
}
