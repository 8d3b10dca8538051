import { type Level, quorums } from '../../../../src/core/level.ts'
import type { Decision } from '../../../../src/core/rounds/coordinate.ts'
import { leaveLimits } from '../../../../src/core/rounds/leave.ts'
import type { OperatorRecord } from '../../../../src/core/rounds/operators.ts'
import { noLeaf, type PipelineTransaction, type Role } from '../../../../src/core/rounds/pipeline.ts'
import type { RoundPlan } from '../../../../src/core/rounds/plan.ts'
import { certifiedBy, type PacketStanding, reopenSplit } from '../../../../src/core/rounds/standing.ts'
import { type Assignment, answer, hash, type Job, type Lying, type SimulatedPacket } from './agents.ts'
import { type Choices, choicesFrom } from './choices.ts'
import { createNetwork } from './network.ts'
import { rules as ourRules, type Rules } from './rules.ts'
import { certificateWithoutQuorum } from './votes.ts'

const ROUND_PACKETS = 4
const STEPS_MAX = 3_000
const coordinator = 'coordinator'

const behaviours = [
  'honest',
  'silent',
  'late',
  'lies-once',
  'colludes',
  'equivocates',
  'double-spends',
] as const
type Behaviour = (typeof behaviours)[number] | 'mixed'

export type World = {
  readonly standings: Map<string, PacketStanding>
  readonly stateOut: Map<string, string>
}

export type Run = {
  readonly failure?: { readonly kind: string; readonly what: string }
  readonly choices: readonly number[]
  readonly trace: readonly string[]
  readonly packets: number
  readonly split: number
  readonly transactions: number
}

export type RunOptions = {
  /** How often the coordinator dies, per delivery, in percent. */
  readonly crashes?: number
  readonly reorg?: boolean
  readonly plant?: (rules: Rules, world: World) => Partial<Rules>
}

type OpenRound = {
  readonly id: string
  readonly packetIds: readonly string[]
  readonly assignment: Omit<Assignment, 'inputLeaves'>
  readonly madeAt: number
  firstJob: PipelineTransaction | undefined
  /** Where its thread stands, as far as the coordinator knows. */
  at: string | undefined
  /** The job to decide; none once the round has ended. */
  job: Job | undefined
  results: Map<string, Result>
  deadlinePassed: boolean
}

type Result = PipelineTransaction & { readonly role: Extract<Role, { kind: 'result' }> }

type Occurrence = (
  | { readonly kind: 'agent'; readonly round: OpenRound; readonly job: Job; readonly seat: number }
  | { readonly kind: 'delivery'; readonly round: OpenRound; readonly result: Result }
  | { readonly kind: 'deadline'; readonly round: OpenRound; readonly job: Job }
  | { readonly kind: 'double-spend' }
  | { readonly kind: 'reopen'; readonly packetId: string }
  | { readonly kind: 'deaths-noticed'; readonly dead: readonly string[] }
  | {
      readonly kind: 'reorganisation'
      readonly old: PipelineTransaction
      readonly by: PipelineTransaction
      readonly dead: readonly string[]
    }
) & { readonly late?: boolean }

/** Thrown inside a run and caught by it: the first broken promise ends the run. */
class Broken extends Error {
  readonly kind: string
  constructor(kind: string, what: string) {
    super(what)
    this.kind = kind
  }
}

/**
 * One schedule: a coordinator that crashes, operators of every kind, packets that agents answer differently or
 * die on, deadlines in any order, double spends, reorganisations. It holds the network, the agents and a loop
 * that carries out decisions; every decision is a call of `rules`.
 */
export function simulate(source: number | readonly number[], options: RunOptions = {}): Run {
  const choices = choicesFrom(source)
  const trace: string[] = []
  const world = createWorld(choices, options, text => trace.push(text))
  try {
    world.run()
  } catch (error) {
    if (!(error instanceof Broken)) throw error
    return {
      ...world.figures(),
      failure: { kind: error.kind, what: error.message },
      choices: choices.list,
      trace,
    }
  }
  return { ...world.figures(), choices: choices.list, trace }
}

function createWorld(choices: Choices, options: RunOptions, note: (text: string) => void) {
  const { pick, chance } = choices
  const level = (['enhanced', 'basic', 'critical'] as const satisfies readonly Level[])[pick(3)] ?? 'enhanced'
  const { agreeing, seats: seatCount } = quorums[level]
  const network = createNetwork()
  const outputs = { stateOut: new Map<string, string>(), stateUsed: new Map(), manifests: new Map() }
  const standings = new Map<string, PacketStanding>()
  const world: World = { standings, stateOut: outputs.stateOut }
  const rules: Rules = { ...ourRules, ...options.plant?.(ourRules, world) }

  const operators = Array.from({ length: seatCount + pick(3) }, (_, i) => ({
    name: `operator-${i}`,
    kind: 'honest' as Behaviour,
  }))
  for (let faults = pick(Math.min(operators.length, 3) + 1); faults > 0; faults--) {
    const one = operators[pick(operators.length)]
    const kind = ([...behaviours, 'mixed'] as const)[pick(8)]
    if (one !== undefined && kind !== undefined) one.kind = kind
  }
  let records: OperatorRecord[] = operators.map(({ name }) => ({
    operator: name,
    reachable: true,
    failurePoints: 0,
    doubleSpends: 0,
  }))
  const packets = createPackets(choices)
  for (const { packetId, partition, packetNo } of packets.values())
    standings.set(packetId, {
      packetId,
      partition,
      packetNo,
      level,
      audience: 'public',
      bytes: 1,
      status: 'sealed',
      roundId: null,
      rounds: 0,
      tries: 0,
      halvings: 0,
      rebuilds: 0,
      waitedMs: 0,
      version: null,
      certificate: null,
    })
  // Deadlines may fire before honest answers.
  const chaos = pick(4) === 3
  note(
    `${level}; ${operators.map(({ kind }) => kind).join(' ')}; ${[...packets.values()].map(p => `${p.name} ${p.kind}`).join(', ')}`,
  )

  const queue: Occurrence[] = []
  const rounds = new Map<string, OpenRound>()
  const stored: PipelineTransaction[] = []
  const recordedDead = new Set<string>()
  const certificates: { txid: string; packetIds: string[] }[] = []
  const inputLeavesOf = new Map<string, ReadonlyMap<number, string>>()
  const certifiedAt = new Map<string, { at: number; madeAt: number; txid: string }>()
  const reopened = new Set<string>()
  const doubleSpends: { old: Result; by: PipelineTransaction }[] = []
  let serial = 0
  let clock = 0

  const standing = (packetId: string): PacketStanding => {
    const found = standings.get(packetId)
    if (found === undefined) throw new Error(`no packet ${packetId}`)
    return found
  }
  const nameOf = (packetId: string) => packets.get(packetId)?.name ?? packetId
  const nextTxid = () => hash('transaction', serial++)
  const fuel = () => {
    const txid = hash('fuel', serial++)
    network.accept({ txid, inputs: [], role: { kind: 'plain' } })
    return { txid, vout: 0 }
  }

  function publish(transaction: PipelineTransaction): boolean {
    if (!network.accept(transaction)) return false
    const outcome = rules.judge(transaction.txid, network.historyOf(transaction.txid), {
      templates: ['packet'],
    })
    if (!outcome.ok) throw new Broken('honest-not-admitted', outcome.fault.detail)
    return true
  }

  function send(transaction: PipelineTransaction): void {
    stored.push(transaction)
    note(`send ${describe(transaction)}`)
    if (!publish(transaction)) throw new Broken('spend-refused', describe(transaction))
  }

  // ── the coordinator's loop ────────────────────────────────────────────────────────────────────────────

  function startRounds(): void {
    const plans = rules.planRounds([...standings.values()], new Set([level]), {
      roundPackets: ROUND_PACKETS,
      roundBytes: 1_000,
    })
    for (const plan of plans) openRound(plan)
  }

  function openRound(plan: RoundPlan): void {
    if (rounds.has(plan.roundId)) throw new Broken('round-repeated', plan.roundId)
    const packetIds = plan.packets.map(packet => packet.packetId)
    const inRound = packetIds.flatMap(packetId => packets.get(packetId) ?? [])
    const round: OpenRound = {
      id: plan.roundId,
      packetIds,
      madeAt: clock++,
      firstJob: undefined,
      at: undefined,
      job: undefined,
      results: new Map(),
      deadlinePassed: false,
      assignment: { packets: inRound, starts: plan.partitions },
    }
    rounds.set(round.id, round)
    for (const packet of plan.packets) standings.set(packet.packetId, packet)
    sendJob(round, { stage: 'normalize', members: packetIds.map((_, i) => i), inputRoot: noLeaf, spends: [] })
    round.firstJob = round.job
  }

  type NextJob = {
    stage: 'normalize' | 'validate' | 'certify'
    members: readonly number[]
    inputRoot: string
    spends: readonly string[]
  }

  function sendJob(round: OpenRound, { stage, members, inputRoot, spends }: NextJob): void {
    const chosen = rules.chooseOperators(records, level, pick(operators.length)) ?? []
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
    const thread = round.job && { txid: round.job.txid, vout: seatCount }
    const job: Job = {
      txid: nextTxid(),
      inputs: [...(thread ? [thread] : []), ...spends.map(txid => ({ txid, vout: 0 })), fuel()],
      role: {
        kind: 'job',
        facts,
        seats: chosen.map(operator => ({ operator, agentKey: `${operator} ${stage}` })),
      },
    }
    inputLeavesOf.set(job.txid, leavesBefore(round.job, members, spends))
    send(job)
    take(round, job)
    const isPoisoned = members.some(member => round.assignment.packets[member]?.kind === 'poison')
    if (!isPoisoned) job.role.seats.forEach((_, seat) => queue.push({ kind: 'agent', round, job, seat }))
  }

  function take(round: OpenRound, job: Job): void {
    Object.assign(round, { job, at: job.txid, results: new Map(), deadlinePassed: false })
    queue.push({ kind: 'deadline', round, job })
  }

  /** What agents get to see of the stage before: the outputs behind the leaves that the root commits to. */
  function leavesBefore(before: Job | undefined, members: readonly number[], spends: readonly string[]) {
    const leaves = new Map<number, string>()
    if (before === undefined) return leaves
    for (const member of members) {
      const at = before.role.facts.members.indexOf(member)
      const said = spends.flatMap(txid => resultAt(txid)?.role.leaves[at] ?? [])
      const agreed = said.find(leaf => said.filter(other => other === leaf).length >= agreeing) ?? said[0]
      if (agreed !== undefined) leaves.set(member, agreed)
    }
    return leaves
  }

  function resultAt(txid: string): Result | undefined {
    const transaction = network.transaction(txid)
    return transaction?.role.kind === 'result' ? { ...transaction, role: transaction.role } : undefined
  }

  const packetsOf = (round: OpenRound) => round.packetIds.map(standing)

  function look(round: OpenRound): void {
    const { job } = round
    if (job === undefined) return
    const usable = [...round.results.values()].filter(
      ({ txid }) => network.isLive(txid) && network.spenderOf({ txid, vout: 0 }) === undefined,
    )
    const decision = rules.decideRound(
      {
        roundId: round.id,
        job: {
          template: 'packet',
          stage: job.role.facts.stage as NextJob['stage'],
          level,
          members: job.role.facts.members,
          seats: job.role.seats,
        },
        packets: packetsOf(round),
        results: usable.map(({ txid, role }) => ({
          txid,
          seat: role.jobOutpoint.vout,
          status: role.status,
          leaves: role.leaves,
        })),
        deadlinePassed: round.deadlinePassed,
        threadUnspent:
          network.isLive(job.txid) && network.spenderOf({ txid: job.txid, vout: seatCount }) === undefined,
      },
      leaveLimits,
    )
    if (decision.kind !== 'wait') carryOut(round, job, decision)
  }

  function carryOut(round: OpenRound, job: Job, decision: Exclude<Decision, { kind: 'wait' }>): void {
    if (decision.kind === 'follow') return recover(round)
    const thread = { txid: job.txid, vout: seatCount }
    if (decision.kind === 'advance') sendJob(round, decision)
    else {
      round.job = undefined
      const role: Role =
        decision.kind === 'close'
          ? { kind: 'plain' }
          : {
              kind: 'certificate',
              coordinator,
              subject: round.id,
              template: 'packet',
              level,
              members: decision.members,
            }
      const inputs = [thread, ...decision.spends.map(txid => ({ txid, vout: 0 })), fuel()]
      const transaction = { txid: nextTxid(), inputs, role }
      round.at = transaction.txid
      send(transaction)
      if (role.kind === 'certificate') certified(round, transaction.txid, role)
    }
    job.role.seats.forEach(({ operator }, seat) => {
      const conduct = decision.conduct[seat]
      if (conduct !== undefined)
        records = records.map(record =>
          record.operator === operator ? rules.recordConduct(record, conduct) : record,
        )
    })
    for (const { packet, why } of decision.leaving) {
      note(`${nameOf(packet.packetId)} leaves: ${why}, ${packet.status}`)
      standings.set(packet.packetId, packet)
      if (packet.status === 'split' && !reopened.has(packet.packetId) && pick(3) === 2) {
        reopened.add(packet.packetId)
        queue.push({ kind: 'reopen', packetId: packet.packetId })
      }
    }
    startRounds()
  }

  function certified(round: OpenRound, txid: string, role: Extract<Role, { kind: 'certificate' }>): void {
    const members = role.members.map(({ index, versionId }) => ({
      packetId: round.packetIds[index] ?? '',
      versionId,
    }))
    certificates.push({ txid, packetIds: members.map(({ packetId }) => packetId) })
    for (const { packetId, versionId } of members) {
      const packet = standing(packetId)
      const manifest = outputs.manifests.get(versionId)
      if (manifest === undefined) throw new Error(`nobody made ${versionId}`)
      checkOrder(
        packet,
        members.map(member => member.packetId),
      )
      if (
        !manifest.isLie &&
        outputs.stateUsed.has(manifest.validated) &&
        outputs.stateUsed.get(manifest.validated) !== manifest.stateIn
      )
        throw new Broken('state-used-differs', nameOf(packetId))
      if (packet.version === null) certifiedAt.set(packetId, { at: clock++, madeAt: round.madeAt, txid })
      const { parent, stateIn, stateOut } = manifest
      standings.set(packetId, certifiedBy(packet, txid, { versionId, parent, stateIn, stateOut }))
    }
  }

  function recover(round: OpenRound): void {
    if (round.firstJob === undefined) return
    const end = rules.endOfThread(round.firstJob, network)
    if (end?.txid === round.at && round.at !== undefined) return
    const recovery = rules.recoverRound(round.id, packetsOf(round), end, network)
    note(`recover ${round.id.slice(0, 6)} at ${end?.txid.slice(0, 6)}: ${recovery.next}`)
    Object.assign(round, { at: end?.txid, job: undefined })
    for (const packet of recovery.packets) standings.set(packet.packetId, packet)
    if (end?.role.kind === 'certificate')
      for (const member of recovery.revoke)
        revoke(
          end.txid,
          end.role.members.findIndex(({ index }) => index === member),
        )
    if (end?.role.kind !== 'job') return
    const job: Job = { ...end, role: end.role }
    if (recovery.next === 'close') {
      const close = {
        txid: nextTxid(),
        inputs: [{ txid: job.txid, vout: seatCount }, fuel()],
        role: { kind: 'plain' } as const,
      }
      round.at = close.txid
      send(close)
    } else if (recovery.next === 'resume') {
      take(round, job)
      for (const transaction of network.live()) {
        const result = resultAt(transaction.txid)
        if (result?.role.jobOutpoint.txid === job.txid) round.results.set(result.role.agentKey, result)
      }
      look(round)
    }
  }

  function revoke(certificate: string, at: number): void {
    send({
      txid: nextTxid(),
      inputs: [{ txid: certificate, vout: 2 * at + 1 }, fuel()],
      role: { kind: 'plain' },
    })
  }

  function noticeDeaths(dead: readonly string[]): void {
    for (const txid of dead) if (!network.isLive(txid)) recordedDead.add(txid)
    for (const round of rounds.values()) recover(round)
    startRounds()
  }

  // ── what happens to it ────────────────────────────────────────────────────────────────────────────────

  function occur(event: Occurrence): void {
    switch (event.kind) {
      case 'agent':
        return work(event)
      case 'delivery':
        return deliver(event)
      case 'deadline':
        if (event.round.job?.txid !== event.job.txid) return
        event.round.deadlinePassed = true
        return look(event.round)
      case 'double-spend':
        return doubleSpend()
      case 'reopen':
        standings.set(event.packetId, reopenSplit(standing(event.packetId)))
        return startRounds()
      case 'deaths-noticed':
        return noticeDeaths(event.dead)
      case 'reorganisation': {
        note(`reorganisation brings back ${event.old.txid.slice(0, 6)}`)
        const dead = network.replace(event.by.txid, event.old)
        // Nodes may have kept what was built on it, or forgotten it.
        const revived = pick(3) === 2 ? [] : event.dead
        for (const txid of revived) {
          const transaction = network.transaction(txid)
          if (transaction !== undefined) network.accept(transaction)
        }
        return noticeDeaths([...dead, ...event.dead])
      }
    }
  }

  function work(event: Extract<Occurrence, { kind: 'agent' }>): void {
    const { round, job, seat } = event
    const given = job.role.seats[seat]
    const operator = operators.find(({ name }) => name === given?.operator)
    if (given === undefined || operator === undefined) return
    const kind = operator.kind === 'mixed' ? behaviours[pick(behaviours.length)] : operator.kind
    if (kind === 'silent') return
    if (kind === 'late' && !event.late) return void queue.push({ ...event, late: true })
    if (!network.isLive(job.txid)) return

    const resultFor = (lying: Lying): Result => {
      const assignment = { ...round.assignment, inputLeaves: inputLeavesOf.get(job.txid) ?? new Map() }
      const leaves = answer(operator.name, job, assignment, lying, outputs, choices)
      const jobOutpoint = { txid: job.txid, vout: seat }
      const facts = job.role.facts
      return {
        txid: nextTxid(),
        inputs: [jobOutpoint],
        role: {
          kind: 'result',
          facts,
          jobOutpoint,
          agentKey: given.agentKey,
          lockedTo: coordinator,
          status: 'completed',
          leaves,
        },
      }
    }
    const result = resultFor(kind === 'lies-once' ? 'about-one' : kind === 'colludes' ? 'colluding' : 'not')
    const hand = (one: Result) => {
      if (!publish(one)) return
      note(
        `${operator.name} answers ${one.txid.slice(0, 6)} for ${job.txid.slice(0, 6)}: ${one.role.leaves.map(leaf => leaf.slice(0, 4)).join(' ')}`,
      )
      queue.push({ kind: 'delivery', round, result: one })
    }
    if (kind === 'equivocates') {
      const other = resultFor('colluding')
      const [first, second] = pick(2) === 1 ? [other, result] : [result, other]
      network.know(second)
      hand(first)
      doubleSpends.push({ old: first, by: second })
    } else {
      hand(result)
      if (kind === 'double-spends')
        doubleSpends.push({
          old: result,
          by: { txid: nextTxid(), inputs: result.inputs, role: { kind: 'plain' } },
        })
    }
    if (doubleSpends.length > 0 && pick(2) === 1) queue.push({ kind: 'double-spend' })
  }

  function deliver(event: Extract<Occurrence, { kind: 'delivery' }>): void {
    const { round, result } = event
    if (chance(options.crashes ?? 3)) {
      note('crash: what was stored is sent again, what was delivered comes again')
      for (const transaction of rules.transactionsToResend(stored, recordedDead)) network.accept(transaction)
      queue.push(event)
      return
    }
    if (round.job?.txid !== result.role.jobOutpoint.txid || !network.isLive(result.txid)) return
    round.results.set(result.role.agentKey, result)
    // A busy coordinator looks later, when more has come in.
    if (round.results.size === seatCount || pick(2) === 1) look(round)
  }

  function doubleSpend(): void {
    const [next] = doubleSpends.splice(pick(doubleSpends.length), 1)
    if (next === undefined || !network.isLive(next.old.txid)) return
    const { old, by } = next
    const dead = network.replace(old.txid, by)
    const { txid, vout } = old.role.jobOutpoint
    const job = network.transaction(txid)
    const guilty = job?.role.kind === 'job' ? job.role.seats[vout]?.operator : undefined
    records = records.map(record =>
      record.operator === guilty ? { ...record, doubleSpends: record.doubleSpends + 1 } : record,
    )
    note(`double spend of ${old.txid.slice(0, 6)} kills ${dead.map(one => one.slice(0, 6)).join(' ')}`)
    if (pick(2) === 1) noticeDeaths(dead)
    else queue.push({ kind: 'deaths-noticed', dead })
    if (options.reorg && pick(3) === 2) queue.push({ kind: 'reorganisation', old, by, dead })
  }

  function nextOccurrence(steps: number): Occurrence | undefined {
    const all = queue.map((_, i) => i)
    const prompt = all.filter(i => queue[i]?.kind !== 'deadline' && !queue[i]?.late)
    const deadlines = all.filter(i => queue[i]?.kind === 'deadline')
    let from = all
    if (prompt.length > 0) from = chaos && steps < 200 ? all : prompt
    else if (deadlines.length > 0 && !chance(30)) from = deadlines
    return queue.splice(from[pick(from.length)] ?? 0, 1)[0]
  }

  // ── what must hold ────────────────────────────────────────────────────────────────────────────────────

  function checkOrder(packet: PacketStanding, together: readonly string[]): void {
    if (packet.version !== null) return
    for (const before of standings.values()) {
      if (
        before.partition !== packet.partition ||
        before.packetNo >= packet.packetNo ||
        before.version !== null
      )
        continue
      if (before.status === 'split' || reopened.has(before.packetId) || together.includes(before.packetId))
        continue
      throw new Broken('passed-by-undecided', `${nameOf(packet.packetId)} before ${nameOf(before.packetId)}`)
    }
  }

  function checkOneLiveCertificate(): void {
    const seen = new Set<string>()
    for (const { txid, packetIds } of certificates) {
      if (!network.isLive(txid)) continue
      packetIds.forEach((packetId, at) => {
        if (network.spenderOf({ txid, vout: 2 * at + 1 }) !== undefined) return
        if (seen.has(packetId)) throw new Broken('two-live-certificates', nameOf(packetId))
        seen.add(packetId)
      })
    }
  }

  function checkEnd(): void {
    if (queue.length > 0)
      throw new Broken('never-quiet', `${queue.length} occurrences left after ${STEPS_MAX} steps`)
    for (const { txid } of certificates) {
      const why = certificateWithoutQuorum(txid, network, inputLeavesOf)
      if (why !== undefined) throw new Broken('without-quorum', why)
    }
    const liars = operators.filter(({ kind }) =>
      ['lies-once', 'colludes', 'equivocates', 'mixed'].includes(kind),
    ).length
    const faulty = operators.filter(({ kind }) => kind !== 'honest').length
    for (const packet of standings.values()) {
      const name = nameOf(packet.packetId)
      const kindOf = (packetId: string) => packets.get(packetId)?.kind
      const isOk = kindOf(packet.packetId) === 'ok'
      if (!['certified', 'split', 'abandoned'].includes(packet.status))
        throw new Broken('not-terminal', `${name} ${packet.status}`)
      if (packet.status === 'certified') checkCertified(packet, liars)
      if (isOk && faulty <= 1 && !chaos && packet.status === 'split' && level === 'enhanced')
        throw new Broken('needless-split', name)
      const othersOk = [...standings.values()].every(
        other => other.partition !== packet.partition || kindOf(other.packetId) === 'ok',
      )
      if (isOk && othersOk && faulty === 0 && !chaos && packet.status !== 'certified')
        throw new Broken('needless-split', `${name}, without a fault`)
      if (packet.tries > 12 || packet.halvings > 6 || packet.rebuilds > leaveLimits.rebuildsMax)
        throw new Broken('unbounded', name)
      checkChain(packet)
    }
  }

  function checkCertified(packet: PacketStanding, liars: number): void {
    const name = nameOf(packet.packetId)
    const certificate = certificates.find(({ txid }) => txid === packet.certificate)
    const at = certificate?.packetIds.indexOf(packet.packetId) ?? -1
    if (certificate === undefined || at < 0 || !network.isLive(certificate.txid))
      throw new Broken('certificate-dead', name)
    if (network.spenderOf({ txid: certificate.txid, vout: 2 * at + 1 }) !== undefined)
      throw new Broken('certificate-revoked', name)
    if (liars < agreeing && outputs.manifests.get(packet.version?.versionId ?? '')?.isLie)
      throw new Broken('lie-certified', name)
  }

  /** Its parent is the packet certified last below it when its round was made, or the one before it in the round. */
  function checkChain(packet: PacketStanding): void {
    const own = certifiedAt.get(packet.packetId)
    const manifest = outputs.manifests.get(packet.version?.versionId ?? '')
    if (own === undefined || manifest === undefined || manifest.isLie) return
    let before: PacketStanding | undefined
    for (const other of standings.values()) {
      const its = certifiedAt.get(other.packetId)
      if (other.partition !== packet.partition || other.packetNo >= packet.packetNo || its === undefined)
        continue
      if ((its.at < own.madeAt || its.txid === own.txid) && other.packetNo > (before?.packetNo ?? -1))
        before = other
    }
    const parent = outputs.manifests.get(before?.version?.versionId ?? '')
    if (parent?.isLie) return
    if ((manifest.parent?.versionId ?? null) !== (before?.version?.versionId ?? null))
      throw new Broken('parent-chain', nameOf(packet.packetId))
    if (manifest.stateIn !== (parent?.stateOut ?? null))
      throw new Broken('state-chain', nameOf(packet.packetId))
  }

  function run(): void {
    startRounds()
    for (let steps = 1; queue.length > 0 && steps <= STEPS_MAX; steps++) {
      const event = nextOccurrence(steps)
      if (event !== undefined) occur(event)
      checkOneLiveCertificate()
    }
    checkEnd()
  }

  function figures() {
    const split = [...standings.values()].filter(({ status }) => status === 'split').length
    return { packets: standings.size, split, transactions: network.size() }
  }

  return { run, figures }
}

function createPackets({ pick }: Choices): Map<string, SimulatedPacket> {
  const packets = new Map<string, SimulatedPacket>()
  const partitions = 1 + pick(3)
  for (let a = 0; a < partitions; a++) {
    const count = 1 + pick(3)
    for (let packetNo = 0; packetNo < count; packetNo++) {
      const draw = pick(12)
      const kind = draw === 11 ? 'flaky' : draw === 10 ? 'poison' : 'ok'
      const packetId = hash('packet', a, packetNo)
      packets.set(packetId, {
        packetId,
        name: `${a}.${packetNo}`,
        partition: `stream/${a}`,
        packetNo,
        kind,
        flakyStage: pick(3),
      })
    }
  }
  return packets
}

function describe({ txid, inputs, role }: PipelineTransaction): string {
  const what = role.kind === 'job' ? `${role.facts.stage} ${role.facts.members}` : role.kind
  return `${txid.slice(0, 6)} ${what} spending ${inputs.map(input => `${input.txid.slice(0, 6)}:${input.vout}`).join(' ')}`
}
