import { quorums } from '../../../../src/core/level.ts'
import type { CurrentJob, Decision } from '../../../../src/core/rounds/coordinating/decide.ts'
import { leaveLimits } from '../../../../src/core/rounds/coordinating/leave.ts'
import type { RoundPlan } from '../../../../src/core/rounds/coordinating/plan.ts'
import { certifiedBy, type PacketStanding } from '../../../../src/core/rounds/coordinating/standing.ts'
import {
  noLeaf,
  type Outpoint,
  type PipelineTransaction,
  type Role,
} from '../../../../src/core/rounds/pipeline.ts'
import type { Stage } from '../../../../src/core/rounds/template.ts'
import { hash, type Job } from './agents.ts'
import { checkCertification } from './promises.ts'
import {
  Broken,
  coordinator,
  isSpent,
  nameOf,
  nextTxid,
  type OpenRound,
  resultAt,
  standingOf,
  type World,
} from './world.ts'

// The loop around the decisions: it carries them out, and decides nothing itself.

const ROUND_PACKETS = 4

export function startRounds(world: World): void {
  const { rules, standings, level } = world
  const limits = { roundPackets: ROUND_PACKETS, roundBytes: Number.MAX_SAFE_INTEGER }
  for (const plan of rules.planRounds([...standings.values()], new Set([level]), limits))
    openRound(world, plan)
}

/** The deadline has come, or something was delivered: what now? */
export function look(world: World, round: OpenRound): void {
  const { job, id } = round
  if (job === undefined) return
  const thread = threadOf(job)
  const decision = world.rules.decideRound(
    {
      roundId: id,
      job: currentJob(job),
      packets: packetsOf(world, round),
      results: [...round.results.values()]
        .filter(({ txid }) => world.network.isLive(txid) && !isSpent(world, { txid, vout: 0 }))
        .map(({ txid, role }) => ({
          txid,
          seat: role.jobOutpoint.vout,
          status: role.status,
          leaves: role.leaves,
        })),
      deadlinePassed: round.deadlinePassed,
      threadUnspent: world.network.isLive(job.txid) && !isSpent(world, thread),
    },
    leaveLimits,
  )
  if (decision.kind === 'follow') recover(world, round)
  else if (decision.kind !== 'wait') carryOut(world, round, job, decision)
}

/** Its own transactions have died, or come back. */
export function noticeDeaths(world: World, dead: readonly string[]): void {
  for (const txid of dead) if (!world.network.isLive(txid)) world.recordedDead.add(txid)
  for (const round of world.rounds.values()) recover(world, round)
  startRounds(world)
}

export function afterCrash(world: World): void {
  for (const transaction of world.rules.transactionsToResend(world.stored, world.recordedDead))
    world.network.accept(transaction)
}

/** Whatever anybody sends in good faith must be admitted. */
export function publish(world: World, transaction: PipelineTransaction): boolean {
  const { network, rules } = world
  if (!network.accept(transaction)) return false
  const { txid } = transaction
  const outcome = rules.judge(txid, network.historyOf(txid), { templates: ['packet'] })
  if (!outcome.ok) throw new Broken('honest-not-admitted', outcome.fault.detail)
  return true
}

function openRound(world: World, plan: RoundPlan): void {
  if (world.rounds.has(plan.roundId)) throw new Broken('round-repeated', plan.roundId)
  const packetIds = plan.packets.map(packet => packet.packetId)
  const round: OpenRound = {
    id: plan.roundId,
    packetIds,
    assignment: {
      packets: packetIds.flatMap(packetId => world.packets.get(packetId) ?? []),
      starts: plan.partitions,
    },
    madeAt: world.tick(),
    firstJob: undefined,
    at: undefined,
    job: undefined,
    results: new Map(),
    deadlinePassed: false,
  }
  world.rounds.set(round.id, round)
  for (const packet of plan.packets) world.standings.set(packet.packetId, packet)
  const members = packetIds.map((_, i) => i)
  sendJob(world, round, { stage: 'normalize', members, inputRoot: noLeaf, spends: [] })
  round.firstJob = round.job
}

type NextJob = {
  readonly stage: Stage
  readonly members: readonly number[]
  readonly inputRoot: string
  readonly spends: readonly string[]
}

function sendJob(world: World, round: OpenRound, { stage, members, inputRoot, spends }: NextJob): void {
  const { rules, records, level, choices, operators, queue } = world
  const chosen = rules.chooseOperators(records, level, choices.pick(operators.length)) ?? []
  const facts = {
    coordinator,
    subject: round.id,
    template: 'packet',
    stage,
    level,
    members,
    inputRoot,
    inputHash: hash('document', round.id),
    deadlineMs: 0,
    outputBytesMax: 0,
  }
  const seats = chosen.map(operator => ({ operator, agentKey: `${operator} ${stage}` }))
  const inputs = round.job === undefined ? [] : [threadOf(round.job), ...spends.map(firstOutput)]
  const job: Job = { ...funded(world, inputs), role: { kind: 'job', facts, seats } }
  world.inputLeavesOf.set(job.txid, leavesBefore(world, round.job, members, spends))
  send(world, job)
  take(world, round, job)
  if (members.some(member => round.assignment.packets[member]?.kind === 'poison')) return
  for (const seat of seats.keys()) queue.push({ kind: 'agent', round, job, seat })
}

function take(world: World, round: OpenRound, job: Job): void {
  Object.assign(round, { job, at: job.txid, results: new Map(), deadlinePassed: false })
  world.queue.push({ kind: 'deadline', round, job })
}

/** What agents get to see of the stage before: the outputs behind the leaves that the input root commits to. */
function leavesBefore(
  world: World,
  before: Job | undefined,
  members: readonly number[],
  spends: readonly string[],
): Map<number, string> {
  const leaves = new Map<number, string>()
  for (const member of members) {
    const at = before?.role.facts.members.indexOf(member) ?? -1
    const said = spends.flatMap(txid => resultAt(world, txid)?.role.leaves[at] ?? [])
    const { agreeing } = quorums[world.level]
    const agreed = said.find(leaf => said.filter(other => other === leaf).length >= agreeing)
    if (agreed !== undefined) leaves.set(member, agreed)
  }
  return leaves
}

type Deed = Exclude<Decision, { kind: 'wait' | 'follow' }>

function carryOut(world: World, round: OpenRound, job: Job, decision: Deed): void {
  if (decision.kind === 'advance') sendJob(world, round, decision)
  else endRound(world, round, job, decision)
  for (const [seat, { operator }] of job.role.seats.entries()) {
    const conduct = decision.conduct[seat]
    if (conduct === undefined) continue
    world.records = world.records.map(record =>
      record.operator === operator ? world.rules.recordConduct(record, conduct) : record,
    )
  }
  for (const { packet, why } of decision.leaving) leave(world, packet, why)
  startRounds(world)
}

function endRound(
  world: World,
  round: OpenRound,
  job: Job,
  decision: Extract<Deed, { kind: 'certify' | 'close' }>,
): void {
  const role: Role =
    decision.kind === 'close'
      ? { kind: 'plain' }
      : {
          kind: 'certificate',
          coordinator,
          subject: round.id,
          template: 'packet',
          level: world.level,
          members: decision.members,
        }
  const last = { ...funded(world, [threadOf(job), ...decision.spends.map(firstOutput)]), role }
  Object.assign(round, { job: undefined, at: last.txid })
  send(world, last)
  if (role.kind !== 'certificate') return
  const packetIds = role.members.map(({ index }) => round.packetIds[index] ?? '')
  world.certificates.push({ txid: last.txid, packetIds })
  for (const [at, { versionId }] of role.members.entries()) {
    const packet = standingOf(world, packetIds[at] ?? '')
    const { parent, stateIn, stateOut } = checkCertification(world, packet, versionId, packetIds)
    if (packet.version === null)
      world.firstCertified.set(packet.packetId, { at: world.tick(), madeAt: round.madeAt, txid: last.txid })
    world.standings.set(
      packet.packetId,
      certifiedBy(packet, last.txid, { versionId, parent, stateIn, stateOut }),
    )
  }
}

function leave(world: World, packet: PacketStanding, why: string): void {
  const { packetId, status } = packet
  world.note(`${nameOf(world, packetId)} leaves: ${why}, ${status}`)
  world.standings.set(packetId, packet)
  if (status !== 'split' || world.reopened.has(packetId) || world.choices.pick(3) !== 2) return
  world.reopened.add(packetId)
  world.queue.push({ kind: 'reopen', packetId })
}

function recover(world: World, round: OpenRound): void {
  const { rules, network } = world
  if (round.firstJob === undefined) return
  const end = rules.endOfThread(round.firstJob, network)
  if (end !== undefined && end.txid === round.at) return
  const recovery = rules.recoverRound(round.id, packetsOf(world, round), end, network)
  world.note(`round ${short(round.id)} is at ${short(end?.txid)}: ${recovery.next}`)
  Object.assign(round, { at: end?.txid, job: undefined })
  for (const packet of recovery.packets) world.standings.set(packet.packetId, packet)
  if (end?.role.kind === 'certificate')
    for (const member of recovery.revoke) {
      const at = end.role.members.findIndex(({ index }) => index === member)
      spend(world, { txid: end.txid, vout: 2 * at + 1 })
    }
  if (end?.role.kind !== 'job') return
  const job: Job = { ...end, role: end.role }
  if (recovery.next === 'close') round.at = spend(world, threadOf(job))
  if (recovery.next === 'resume') resume(world, round, job)
}

function resume(world: World, round: OpenRound, job: Job): void {
  take(world, round, job)
  for (const { txid } of world.network.live()) {
    const result = resultAt(world, txid)
    if (result?.role.jobOutpoint.txid === job.txid) round.results.set(result.role.agentKey, result)
  }
  look(world, round)
}

function spend(world: World, outpoint: Outpoint): string {
  const transaction: PipelineTransaction = { ...funded(world, [outpoint]), role: { kind: 'plain' } }
  send(world, transaction)
  return transaction.txid
}

function send(world: World, transaction: PipelineTransaction): void {
  world.stored.push(transaction)
  world.note(`send ${describe(transaction)}`)
  if (!publish(world, transaction)) throw new Broken('spend-refused', describe(transaction))
}

function funded(world: World, inputs: readonly Outpoint[]) {
  const fuel = hash('fuel', world.tick())
  world.network.accept({ txid: fuel, inputs: [], role: { kind: 'plain' } })
  return { txid: nextTxid(world), inputs: [...inputs, { txid: fuel, vout: 0 }] }
}

function currentJob({ role }: Job): CurrentJob {
  const { stage, level, members } = role.facts
  return { template: 'packet', stage: stage as Stage, level, members, seats: role.seats }
}

function threadOf(job: Job): Outpoint {
  return { txid: job.txid, vout: job.role.seats.length }
}

function firstOutput(txid: string): Outpoint {
  return { txid, vout: 0 }
}

function packetsOf(world: World, round: OpenRound): PacketStanding[] {
  return round.packetIds.map(packetId => standingOf(world, packetId))
}

function describe({ txid, inputs, role }: PipelineTransaction): string {
  const what = role.kind === 'job' ? `${role.facts.stage} ${role.facts.members}` : role.kind
  return `${short(txid)} ${what}, spending ${inputs.map(input => `${short(input.txid)}:${input.vout}`).join(' ')}`
}

function short(txid: string | undefined): string {
  return txid?.slice(0, 6) ?? 'nothing'
}
