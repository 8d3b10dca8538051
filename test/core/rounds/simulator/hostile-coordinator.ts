import { quorums } from '../../../../src/core/level.ts'
import type { Beef } from '../../../../src/core/rounds/judging/history.ts'
import { judge } from '../../../../src/core/rounds/judging/judge.ts'
import {
  type JobFacts,
  noLeaf,
  type Outpoint,
  type PipelineTransaction,
  type Role,
} from '../../../../src/core/rounds/pipeline.ts'
import { rootOver } from '../../../../src/core/rounds/round.ts'
import { hash, stages } from './agents.ts'
import { choicesFrom } from './choices.ts'
import { certificateWithoutQuorum } from './votes.ts'

const STEPS = 30

type Attempt = {
  readonly failure: string | undefined
  readonly choices: readonly number[]
  readonly certificates: number
}

type Admitted<K extends Role['kind']> = PipelineTransaction & { readonly role: Extract<Role, { kind: K }> }

/**
 * A coordinator that builds whatever it likes from what it owns, with agents that sign whatever they are asked.
 * Only the judges stand between it and a certificate: each one admitted must have its quorum at every stage.
 */
export function conspire(source: number | readonly number[]): Attempt {
  const choices = choicesFrom(source)
  const { pick } = choices
  const level = (['enhanced', 'basic', 'critical'] as const)[pick(3)] ?? 'enhanced'
  const admitted = new Map<string, PipelineTransaction>()
  const inputLeavesOf = new Map<string, ReadonlyMap<number, string>>()
  let serial = 0
  let certificates = 0
  let failure: string | undefined

  const fuel = (): Outpoint => {
    const txid = hash('fuel', serial++)
    admitted.set(txid, { txid, inputs: [], role: { kind: 'plain' } })
    return { txid, vout: 0 }
  }
  const submit = (inputs: readonly Outpoint[], role: Role): string | undefined => {
    const txid = hash('transaction', serial++)
    const beef = historyOf({ txid, inputs, role }, admitted)
    if (!judge(txid, beef, { templates: ['packet'] }).ok) return undefined
    admitted.set(txid, { txid, inputs, role })
    return txid
  }
  const all = <K extends Role['kind']>(kind: K) =>
    [...admitted.values()].filter((one): one is Admitted<K> => one.role.kind === kind)
  const some = <T>(items: readonly T[]): T | undefined => items[pick(items.length)]

  const facts = (more: Pick<JobFacts, 'stage' | 'members' | 'inputRoot' | 'inputHash'>): JobFacts => ({
    coordinator: 'coordinator',
    subject: 'round',
    template: 'packet',
    level,
    deadlineMs: 0,
    outputBytesMax: 0,
    ...more,
  })
  const seats = () =>
    Array.from({ length: quorums[level].seats }, (_, i) => {
      const operator = `operator-${pick(5) === 4 ? pick(4) : i}`
      return { operator, agentKey: `agent of ${operator}` }
    })

  function begin(): void {
    const members = pick(3) === 0 ? [pick(2)] : [0, 1]
    const inputHash = `document ${pick(4) === 3 ? 1 : 0}`
    const first = facts({ stage: 'normalize', members, inputRoot: noLeaf, inputHash })
    submit([fuel()], { kind: 'job', facts: first, seats: seats() })
  }

  function vote(): void {
    const jobs = all('job')
    const job = jobs.at(-1 - pick(Math.min(3, jobs.length)))
    if (job === undefined) return
    for (const [seat, { agentKey }] of job.role.seats.entries()) {
      if (pick(6) === 5) continue
      const { stage, members } = job.role.facts
      const leaves = members.map(member =>
        pick(30) === 29 ? noLeaf : hash(pick(12) === 11 ? 'lie' : 'true', stage, member),
      )
      const jobOutpoint = { txid: job.txid, vout: seat }
      const status = pick(30) === 29 ? 'failed' : 'completed'
      submit([jobOutpoint], {
        kind: 'result',
        facts: job.role.facts,
        jobOutpoint,
        agentKey,
        lockedTo: 'coordinator',
        status,
        leaves,
      })
    }
  }

  function step(): void {
    const stage = stages[pick(3)] ?? 'normalize'
    const job = some(all('job').filter(({ role }) => role.facts.stage === stage))
    if (job === undefined) return
    // Mostly results of that job, sometimes of another, sometimes not all.
    const results = all('result').filter(({ role }) => {
      if (role.facts.stage !== stage || pick(6) === 5) return false
      return role.jobOutpoint.txid === job.txid || pick(12) === 11
    })
    const shown = some(results)
    if (shown === undefined) return
    const { facts: own, leaves } = shown.role
    const members = pick(3) > 0 ? own.members : pick(2) === 1 ? [0, 1] : own.members.slice(0, 1)
    const values = members.map(member => leaves[own.members.indexOf(member)] ?? hash('true', stage, member))
    const inputs = [
      { txid: job.txid, vout: quorums[level].seats },
      ...results.map(({ txid }) => ({ txid, vout: 0 })),
      fuel(),
    ]
    const inputHash = pick(5) === 4 ? `document ${pick(2)}` : job.role.facts.inputHash
    const next = stages[stages.indexOf(stage) + 1 + (pick(20) === 19 ? 1 : 0)]
    if (next !== undefined) {
      const txid = submit(inputs, {
        kind: 'job',
        facts: facts({ stage: next, members, inputRoot: rootOver(values), inputHash }),
        seats: seats(),
      })
      if (txid !== undefined)
        inputLeavesOf.set(txid, new Map(members.map((member, i) => [member, values[i] ?? ''])))
      return
    }
    const certified = members.map((index, i) => ({ index, versionId: values[i] ?? '' }))
    const txid = submit(inputs, {
      kind: 'certificate',
      coordinator: 'coordinator',
      subject: 'round',
      template: 'packet',
      level,
      members: certified,
    })
    if (txid === undefined) return
    certificates++
    failure ??= certificateWithoutQuorum(txid, { transaction: id => admitted.get(id) }, inputLeavesOf)
  }

  for (let i = 0; i < STEPS && failure === undefined; i++) {
    const what = pick(10)
    if (what < 2 || all('job').length === 0) begin()
    else if (what < 5) vote()
    else step()
  }
  return { failure, choices: choices.list, certificates }
}

function historyOf(transaction: PipelineTransaction, admitted: Beef): Beef {
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
