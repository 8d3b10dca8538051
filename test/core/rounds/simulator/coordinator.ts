import { quorums } from '../../../../src/core/level.ts'
import type { CurrentJob } from '../../../../src/core/rounds/coordinating/decide.ts'
import { leaveLimits } from '../../../../src/core/rounds/coordinating/leave.ts'
import type { RoundPlan } from '../../../../src/core/rounds/coordinating/plan.ts'
import { certifiedBy, type PacketStanding } from '../../../../src/core/rounds/coordinating/standing.ts'
import {
  isJob,
  isThreadUnspent,
  type SentJob,
  threadOf,
} from '../../../../src/core/rounds/coordinating/thread.ts'
import {
  noLeaf,
  type Outpoint,
  type PipelineTransaction,
  type Role,
} from '../../../../src/core/rounds/pipeline.ts'
import type { Stage } from '../../../../src/core/rounds/template.ts'
import { hash, stages } from './agents.ts'
import { checkCertification, checkClosed, checkSpends } from './promises.ts'
import {
  Broken,
  coordinator,
  type Decided,
  type Deed,
  isSpent,
  nameOf,
  nextTxid,
  type Occurrence,
  type OpenRound,
  resultAt,
  standingOf,
  type World,
} from './world.ts'

// The loop around the decisions: it carries them out, and decides nothing itself.

export const ROUND_PACKETS = 4
const FUEL_LOSSES_MAX = 3
const limits = {
  roundPackets: ROUND_PACKETS,
  roundBytes: Number.MAX_SAFE_INTEGER,
  roundDocBytes: Number.MAX_SAFE_INTEGER,
}

export function startRounds(world: World): void {
  const { rules, standings, level } = world
  for (const plan of rules.planRounds([...standings.values()], new Set([level]), limits))
    openRound(world, plan)
}

/** The deadline has come, or something was delivered: what now? */
export function look(world: World, round: OpenRound): void {
  const { job, id: roundId, deadlinePassed } = round
  const { rules, network } = world
  if (job === undefined) return
  const results = rules.liveResults(job, round.results.values(), network)
  const situation = {
    roundId,
    job: currentJob(job),
    packets: packetsOf(world, round),
    results,
    deadlinePassed,
    threadUnspent: isThreadUnspent(job, network),
  }
  const decision = rules.decideRound(situation, leaveLimits)
  if (decision.kind === 'wait') return
  if (decision.kind === 'follow') {
    world.figures.followed++
    recover(world, round)
    return
  }
  checkSpends(decision, results.length)
  carryOut(world, round, job, decision)
}

/** The network has taken what was sent, or refuses it: only now may what a close leaves behind be tried again. */
export function arrive(
  world: World,
  { round, transaction, decided }: Extract<Occurrence, { kind: 'arrival' }>,
): void {
  round.inFlight = false
  if (!publish(world, transaction)) {
    world.note(`${describe(transaction)} is refused`)
    if (transaction.role.kind === 'plain') world.figures.refusedCloses++
    world.recordedDead.add(transaction.txid)
    recover(world, round)
  } else if (isJob(transaction)) take(world, round, transaction)
  else if (transaction.role.kind === 'certificate') certify(world, round, transaction.txid, transaction.role)
  else if (decided !== undefined) leaveClosed(world, decided)
  loseFuel(world, transaction)
  startRounds(world)
}

/** Its own transactions have died, or come back. */
export function noticeDeaths(world: World, dead: readonly string[]): void {
  for (const txid of dead) if (!world.network.isLive(txid)) world.recordedDead.add(txid)
  for (const round of world.rounds.values()) recover(world, round)
  startRounds(world)
}

export function afterCrash(world: World): void {
  for (const transaction of world.rules.transactionsToResend(world.stored, world.recordedDead)) {
    if (world.recordedDead.has(transaction.txid)) throw new Broken('dead-resent', describe(transaction))
    world.network.accept(transaction)
  }
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
  checkClosed(world, packetIds)
  const round: OpenRound = {
    id: plan.roundId,
    packetIds,
    assignment: {
      packets: packetIds.flatMap(packetId => world.packets.get(packetId) ?? []),
      starts: plan.partitions,
    },
    madeAt: world.tick(),
    firstJob: undefined,
    last: undefined,
    inFlight: false,
    job: undefined,
    results: new Map(),
    deadlinePassed: false,
  }
  world.rounds.set(round.id, round)
  for (const packet of plan.packets) world.standings.set(packet.packetId, packet)
  const members = packetIds.map((_, i) => i)
  const first = { stage: 'normalize', members, inputRoot: noLeaf, spends: [] } as const
  round.firstJob = sendJob(world, round, first)
}

type NextJob = {
  readonly stage: Stage
  readonly members: readonly number[]
  readonly inputRoot: string
  readonly spends: readonly string[]
}

function sendJob(
  world: World,
  round: OpenRound,
  { stage, members, inputRoot, spends }: NextJob,
  decided?: Decided,
): SentJob {
  const before = decided?.job
  const { rules, records, level, choices, operators } = world
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
  const inputs = before === undefined ? [] : [threadOf(before), ...spends.map(firstOutput)]
  const job: SentJob = { ...funded(world, inputs), role: { kind: 'job', facts, seats } }
  world.inputLeavesOf.set(job.txid, leavesBefore(world, before, members, spends))
  send(world, round, job, decided)
  return job
}

/** From now on this is the job to decide: its seats are offered, also those of a job that came back. */
function take(world: World, round: OpenRound, job: SentJob): void {
  Object.assign(round, { job, last: job.txid, results: new Map(), deadlinePassed: false })
  world.queue.push({ kind: 'deadline', round, job })
  if (job.role.facts.members.some(member => round.assignment.packets[member]?.kind === 'poison')) return
  for (const seat of job.role.seats.keys())
    if (!isSpent(world, { txid: job.txid, vout: seat })) world.queue.push({ kind: 'agent', round, job, seat })
}

/** What agents get to see of the stage before: the outputs behind the leaves that the input root commits to. */
function leavesBefore(
  world: World,
  before: SentJob | undefined,
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

function carryOut(world: World, round: OpenRound, job: SentJob, deed: Deed): void {
  const { seats } = job.role
  world.records = world.rules.recordJob(world.records, seats, deed.conduct)
  round.job = undefined
  const decided = { job, deed }
  if (deed.kind === 'advance') sendJob(world, round, deed, decided)
  else send(world, round, lastOf(world, round, job, deed), decided)
  if (deed.kind === 'close') return
  for (const { packet, why } of deed.leaving) leave(world, packet, why)
  startRounds(world)
}

function lastOf(
  world: World,
  round: OpenRound,
  job: SentJob,
  deed: Extract<Deed, { kind: 'certify' | 'close' }>,
): PipelineTransaction {
  const { level, certificates } = world
  const last = funded(world, [threadOf(job), ...deed.spends.map(firstOutput)])
  if (deed.kind === 'close') return { ...last, role: { kind: 'plain' } }
  const { members } = deed
  certificates.push({
    txid: last.txid,
    members: members.map(({ index, versionId }) => ({ packetId: round.packetIds[index] ?? '', versionId })),
  })
  const role: Role = {
    kind: 'certificate',
    coordinator,
    subject: round.id,
    template: 'packet',
    level,
    members,
  }
  return { ...last, role }
}

function certify(
  world: World,
  round: OpenRound,
  txid: string,
  { members }: Extract<Role, { kind: 'certificate' }>,
): void {
  const together = members.map(({ index }) => round.packetIds[index] ?? '')
  for (const [at, { versionId }] of members.entries()) {
    const packet = standingOf(world, together[at] ?? '')
    const { parent, stateIn, stateOut } = checkCertification(world, packet, versionId, together)
    if (packet.version === null)
      world.firstCertified.set(packet.packetId, { at: world.tick(), madeAt: round.madeAt, txid })
    world.standings.set(packet.packetId, certifiedBy(packet, txid, { versionId, parent, stateIn, stateOut }))
  }
}

function leaveClosed(world: World, { job, deed }: Decided): void {
  const members = job.role.facts.members.length
  for (const { packet, why } of deed.leaving) {
    if (members > 1) world.closedOf.set(packet.packetId, members)
    leave(world, packet, why)
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
  const { rules, network, figures } = world
  if (round.firstJob === undefined) return
  const { id: roundId, last, inFlight } = round
  const end = rules.endOfThread(round.firstJob, network)
  const { packets, revoke, next } = rules.recoverRound(
    { roundId, packets: packetsOf(world, round), last, inFlight },
    end,
    network,
  )
  if (next === 'none') return
  if (end?.txid !== last) world.note(`round ${short(roundId)} is at ${short(end?.txid)}: ${next}`)
  for (const packet of packets) world.standings.set(packet.packetId, packet)
  Object.assign(round, { last: end?.txid, job: undefined })
  if (end?.role.kind === 'certificate') {
    if (end.txid !== last) figures.returnedCertificates++
    for (const member of revoke) {
      const at = end.role.members.findIndex(({ index }) => index === member)
      figures.revocations++
      if (!publish(world, spendOf(world, { txid: end.txid, vout: 2 * at + 1 })))
        throw new Broken('revocation-refused', short(end.txid))
    }
  }
  if (end === undefined || !isJob(end)) return
  if (next === 'close') send(world, round, spendOf(world, threadOf(end)))
  if (next === 'resume') resume(world, round, end)
}

function resume(world: World, round: OpenRound, job: SentJob): void {
  take(world, round, job)
  for (const { txid } of world.network.live()) {
    const result = resultAt(world, txid)
    if (result?.role.jobOutpoint.txid === job.txid) round.results.set(result.role.agentKey, result)
  }
  look(world, round)
}

function spendOf(world: World, outpoint: Outpoint): PipelineTransaction {
  const transaction: PipelineTransaction = { ...funded(world, [outpoint]), role: { kind: 'plain' } }
  world.stored.push(transaction)
  return transaction
}

function send(world: World, round: OpenRound, transaction: PipelineTransaction, decided?: Decided): void {
  if (!world.stored.includes(transaction)) world.stored.push(transaction)
  world.note(`send ${describe(transaction)}`)
  Object.assign(round, { last: transaction.txid, inFlight: true })
  world.queue.push({ kind: 'arrival', round, transaction, decided })
}

/** Never a revocation's: while one is dead, two certificates are alive, and nobody has broken a promise. */
function loseFuel(world: World, transaction: PipelineTransaction): void {
  if (world.choices.pick(12) !== 11 || world.fuelLosses >= FUEL_LOSSES_MAX) return
  world.fuelLosses++
  world.queue.push({ kind: 'fuel-lost', transaction, late: world.choices.pick(3) > 0 })
}

function funded(world: World, inputs: readonly Outpoint[]) {
  const fuel = hash('fuel', world.tick())
  world.network.accept({ txid: fuel, inputs: [], role: { kind: 'plain' } })
  return { txid: nextTxid(world), inputs: [...inputs, { txid: fuel, vout: 0 }] }
}

function currentJob({ role }: SentJob): CurrentJob {
  const { level, members } = role.facts
  const stage = stages.find(each => each === role.facts.stage)
  if (stage === undefined) throw new Error(`no stage ${role.facts.stage}`)
  return { template: 'packet', stage, level, members, seats: role.seats }
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
