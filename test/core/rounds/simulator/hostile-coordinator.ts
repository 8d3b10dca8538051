import { type Level, levels, quorums } from '../../../../src/core/level.ts'
import { threadOf } from '../../../../src/core/rounds/coordinating/thread.ts'
import type { History } from '../../../../src/core/rounds/judging/history.ts'
import { judge } from '../../../../src/core/rounds/judging/judge.ts'
import {
  type JobFacts,
  noLeaf,
  type Outpoint,
  type PipelineTransaction,
  type Role,
} from '../../../../src/core/rounds/pipeline.ts'
import { rootOver } from '../../../../src/core/rounds/round.ts'
import type { Stage } from '../../../../src/core/rounds/template.ts'
import { hash, stages } from './agents.ts'
import { type Choices, choicesFrom } from './choices.ts'
import { certificateWithoutQuorum } from './votes.ts'

const STEPS = 30

type Attempt = {
  readonly failure: string | undefined
  readonly choices: readonly number[]
  readonly certificates: number
}

type Admitted<K extends Role['kind']> = PipelineTransaction & { readonly role: Extract<Role, { kind: K }> }

type Conspiracy = {
  readonly choices: Choices
  readonly level: Level
  readonly admitted: Map<string, PipelineTransaction>
  readonly inputLeavesOf: Map<string, ReadonlyMap<number, string>>
  /** txids. */
  readonly certificates: string[]
  serial: number
}

/**
 * A coordinator that builds whatever it likes from what it owns, with agents that sign whatever they are asked.
 * Only the judges stand between it and a certificate: each one admitted must have its quorum at every stage.
 */
export function conspire(source: number | readonly number[]): Attempt {
  const choices = choicesFrom(source)
  const conspiracy: Conspiracy = {
    choices,
    level: levels[choices.pick(3)] ?? 'basic',
    admitted: new Map(),
    inputLeavesOf: new Map(),
    certificates: [],
    serial: 0,
  }
  const chain = { transaction: (txid: string) => conspiracy.admitted.get(txid) }
  let failure: string | undefined
  for (let i = 0; i < STEPS && failure === undefined; i++) {
    const before = conspiracy.certificates.length
    act(conspiracy)
    const [latest] = conspiracy.certificates.slice(before)
    if (latest !== undefined) failure = certificateWithoutQuorum(latest, chain, conspiracy.inputLeavesOf)
  }
  return { failure, choices: choices.list, certificates: conspiracy.certificates.length }
}

function act(conspiracy: Conspiracy): void {
  const what = conspiracy.choices.pick(10)
  if (what < 2 || all(conspiracy, 'job').length === 0) begin(conspiracy)
  else if (what < 5) vote(conspiracy)
  else step(conspiracy)
}

function begin(conspiracy: Conspiracy): void {
  const { pick } = conspiracy.choices
  const members = pick(3) === 0 ? [pick(2)] : [0, 1]
  const inputHash = `document ${pick(4) === 3 ? 1 : 0}`
  const subject = `round ${pick(4) === 3 ? 1 : 0}`
  const level = aLevel(conspiracy, conspiracy.level)
  submitJob(conspiracy, [], { stage: 'normalize', members, inputRoot: noLeaf, inputHash, subject, level })
}

/** The seats of a late job answer, not all of them, and not all of them the same. */
function vote(conspiracy: Conspiracy): void {
  const { pick } = conspiracy.choices
  const jobs = all(conspiracy, 'job')
  const job = jobs.at(-1 - pick(Math.min(3, jobs.length)))
  if (job === undefined) return
  const { facts, seats } = job.role
  for (const [seat, { agentKey }] of seats.entries()) {
    if (pick(6) === 5) continue
    const leaves = facts.members.map(member =>
      pick(30) === 29 ? noLeaf : hash(pick(12) === 11 ? 'lie' : 'true', facts.stage, member),
    )
    const jobOutpoint = { txid: job.txid, vout: seat }
    const status = pick(30) === 29 ? 'failed' : 'completed'
    const lockedTo = facts.coordinator
    submit(conspiracy, [jobOutpoint], {
      kind: 'result',
      facts,
      jobOutpoint,
      agentKey,
      lockedTo,
      status,
      leaves,
    })
  }
}

/** The next job or a certificate, from a thread and results that may or may not belong to it. */
function step(conspiracy: Conspiracy): void {
  const { pick } = conspiracy.choices
  const stage = stages[pick(3)] ?? 'normalize'
  const jobs = all(conspiracy, 'job').filter(({ role }) => role.facts.stage === stage)
  const job = jobs[pick(jobs.length)]
  if (job === undefined) return
  const results = someResults(conspiracy, job)
  const shown = results[pick(results.length)]
  if (shown === undefined) return
  const claims = claimed(conspiracy, shown)
  const inputs = [threadOf(job), ...results.map(({ txid }) => ({ txid, vout: 0 }))]
  const next = stages[stages.indexOf(stage) + 1 + (pick(20) === 19 ? 1 : 0)]
  if (next === undefined) certify(conspiracy, job, inputs, claims)
  else goOn(conspiracy, job, inputs, next, claims)
}

/** Mostly results of that job, sometimes of another, sometimes not all. */
function someResults(conspiracy: Conspiracy, job: Admitted<'job'>): Admitted<'result'>[] {
  const { pick } = conspiracy.choices
  return all(conspiracy, 'result').filter(({ role }) => {
    if (role.facts.stage !== job.role.facts.stage || pick(6) === 5) return false
    return role.jobOutpoint.txid === job.txid || pick(12) === 11
  })
}

/** What one result says of its members, or of fewer, or of one that it was never asked about. */
function claimed({ choices }: Conspiracy, { role }: Admitted<'result'>): Map<number, string> {
  const { pick } = choices
  const { members, stage } = role.facts
  const named = pick(3) > 0 ? members : pick(2) === 1 ? [0, 1] : members.slice(0, 1)
  return new Map(
    named.map(member => [member, role.leaves[members.indexOf(member)] ?? hash('true', stage, member)]),
  )
}

function goOn(
  conspiracy: Conspiracy,
  { role }: Admitted<'job'>,
  inputs: readonly Outpoint[],
  stage: Stage,
  claims: ReadonlyMap<number, string>,
): void {
  const { pick } = conspiracy.choices
  const { facts } = role
  const inputHash = pick(5) === 4 ? `document ${pick(2)}` : facts.inputHash
  const subject = pick(8) === 7 ? `round ${pick(2)}` : facts.subject
  const level = aLevel(conspiracy, facts.level)
  const inputRoot = rootOver([...claims.values()])
  const members = [...claims.keys()]
  const txid = submitJob(conspiracy, inputs, { stage, members, inputRoot, inputHash, subject, level })
  if (txid !== undefined) conspiracy.inputLeavesOf.set(txid, claims)
}

function certify(
  conspiracy: Conspiracy,
  { role }: Admitted<'job'>,
  inputs: readonly Outpoint[],
  claims: ReadonlyMap<number, string>,
): void {
  const { pick } = conspiracy.choices
  const { coordinator, template } = role.facts
  const txid = submit(conspiracy, [...inputs, fuel(conspiracy)], {
    kind: 'certificate',
    coordinator,
    subject: pick(8) === 7 ? `round ${pick(2)}` : role.facts.subject,
    template,
    level: aLevel(conspiracy, role.facts.level),
    members: [...claims].map(([index, versionId]) => ({ index, versionId })),
  })
  if (txid !== undefined) conspiracy.certificates.push(txid)
}

type Asked = Pick<JobFacts, 'stage' | 'members' | 'inputRoot' | 'inputHash' | 'subject' | 'level'>

function submitJob(conspiracy: Conspiracy, inputs: readonly Outpoint[], asked: Asked): string | undefined {
  const { pick } = conspiracy.choices
  const seats = Array.from({ length: quorums[asked.level].seats }, (_, i) => {
    const operator = `operator-${pick(5) === 4 ? pick(4) : i}`
    return { operator, agentKey: `agent of ${operator}` }
  })
  const facts = {
    coordinator: 'coordinator',
    template: 'packet',
    deadlineMs: 0,
    outputBytesMax: 0,
    ...asked,
  }
  return submit(conspiracy, [...inputs, fuel(conspiracy)], { kind: 'job', facts, seats })
}

/** Mostly the one that fits. */
function aLevel({ choices: { pick } }: Conspiracy, level: Level): Level {
  return pick(10) === 9 ? (levels[pick(3)] ?? level) : level
}

function submit(conspiracy: Conspiracy, inputs: readonly Outpoint[], role: Role): string | undefined {
  const { admitted } = conspiracy
  const txid = hash('transaction', conspiracy.serial++)
  const history = historyOf({ txid, inputs, role }, admitted)
  if (!judge(txid, history, { templates: ['packet'] }).ok) return undefined
  admitted.set(txid, { txid, inputs, role })
  return txid
}

function fuel(conspiracy: Conspiracy): Outpoint {
  const txid = hash('fuel', conspiracy.serial++)
  conspiracy.admitted.set(txid, { txid, inputs: [], role: { kind: 'plain' } })
  return { txid, vout: 0 }
}

function all<K extends Role['kind']>({ admitted }: Conspiracy, kind: K): Admitted<K>[] {
  return [...admitted.values()].filter((one): one is Admitted<K> => one.role.kind === kind)
}

function historyOf(transaction: PipelineTransaction, admitted: History): History {
  const history = new Map<string, PipelineTransaction>()
  const open = [transaction]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (history.has(next.txid)) continue
    history.set(next.txid, next)
    for (const input of next.inputs) {
      const parent = admitted.get(input.txid)
      if (parent !== undefined) open.push(parent)
    }
  }
  return history
}
