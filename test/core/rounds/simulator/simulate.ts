import { type PacketStanding, reopenSplit } from '../../../../src/core/rounds/coordinating/standing.ts'
import type { PipelineTransaction } from '../../../../src/core/rounds/pipeline.ts'
import { answer, type Lying } from './agents.ts'
import { afterCrash, arrive, look, noticeDeaths, publish, startRounds } from './coordinator.ts'
import { checkEnd, checkLiveCertificates } from './promises.ts'
import {
  Broken,
  behaviours,
  coordinator,
  createWorld,
  type DoubleSpend,
  type Figures,
  nextTxid,
  type Occurrence,
  type Result,
  type RunOptions,
  resultAt,
  standingOf,
  type World,
} from './world.ts'

const STEPS_MAX = 3_000
/** A round of the coordinator's life in which deadlines come in any order; after that, answers come first. */
const CHAOS_STEPS_MAX = 200
const CRASH_PERCENT = 3

export type Run = {
  readonly failure: { readonly kind: string; readonly what: string } | undefined
  readonly choices: readonly number[]
  readonly trace: readonly string[]
  readonly figures: Figures
}

/**
 * One schedule: a coordinator that crashes, operators of every kind, packets that agents answer differently or
 * die on, deadlines in any order, double spends, reorganisations.
 */
export function simulate(source: number | readonly number[], options: RunOptions = {}): Run {
  const trace: string[] = []
  const world = createWorld(source, options, trace)
  let failure: Run['failure']
  try {
    run(world)
  } catch (error) {
    if (!(error instanceof Broken)) throw error
    failure = { kind: error.kind, what: error.message }
  }
  return {
    failure,
    choices: world.choices.list,
    trace,
    figures: { ...world.figures, split: count(world, ({ status }) => status === 'split') },
  }
}

function run(world: World): void {
  startRounds(world)
  for (let step = 1; world.queue.length > 0 && step <= STEPS_MAX; step++) {
    const next = takeNext(world, step)
    if (next !== undefined) occur(world, next)
    checkLiveCertificates(world)
  }
  checkEnd(world)
}

function takeNext({ queue, choices, chaos }: World, step: number): Occurrence | undefined {
  const all = [...queue.keys()]
  const prompt = all.filter(i => queue[i]?.kind !== 'deadline' && !queue[i]?.late)
  const deadlines = all.filter(i => queue[i]?.kind === 'deadline')
  let from = all
  if (prompt.length > 0) from = chaos && step < CHAOS_STEPS_MAX ? all : prompt
  else if (deadlines.length > 0 && !choices.chance(30)) from = deadlines
  return queue.splice(from[choices.pick(from.length)] ?? 0, 1)[0]
}

type Of<K extends Occurrence['kind']> = Extract<Occurrence, { kind: K }>

const happenings: { readonly [K in Occurrence['kind']]: (world: World, event: Of<K>) => void } = {
  arrival: arrive,
  agent: work,
  delivery: deliver,
  deadline: (world, { round, job }) => {
    if (round.job?.txid !== job.txid) return
    round.deadlinePassed = true
    look(world, round)
  },
  'double-spend': doubleSpend,
  'fuel-lost': loseFuel,
  'deaths-noticed': (world, { dead }) => noticeDeaths(world, dead),
  reopen: (world, { packetId }) => {
    world.closedOf.delete(packetId)
    world.standings.set(packetId, reopenSplit(standingOf(world, packetId)))
    startRounds(world)
  },
  reorganisation: reorganise,
}

function occur<K extends Occurrence['kind']>(world: World, event: Of<K> & { readonly kind: K }): void {
  happenings[event.kind](world, event)
}

function work(world: World, event: Of<'agent'>): void {
  const { queue, network, choices, operators, doubleSpends } = world
  const operator = operators.find(({ name }) => name === event.job.role.seats[event.seat]?.operator)
  if (operator === undefined) return
  const drawn =
    operator.behaviour === 'mixed' ? behaviours[choices.pick(behaviours.length)] : operator.behaviour
  if (drawn === 'silent') return
  if (drawn === 'late' && !event.late) {
    queue.push({ ...event, late: true })
    return
  }
  if (!network.isLive(event.job.txid)) return

  const lying = drawn === 'lies-once' ? 'about-one' : drawn === 'colludes' ? 'colluding' : 'not'
  const result = resultOf(world, event, operator.name, lying)
  if (drawn === 'equivocates') {
    const other = resultOf(world, event, operator.name, 'colluding')
    const [old, by] = choices.pick(2) === 1 ? [other, result] : [result, other]
    network.know(by)
    hand(world, event, old)
    doubleSpends.push({ old, by })
  } else hand(world, event, result)
  if (drawn === 'double-spends') {
    const by: PipelineTransaction = { txid: nextTxid(world), inputs: result.inputs, role: { kind: 'plain' } }
    doubleSpends.push({ old: result, by })
  }
  if (doubleSpends.length > 0 && choices.pick(2) === 1) queue.push({ kind: 'double-spend' })
}

function resultOf(world: World, { round, job, seat }: Of<'agent'>, operator: string, lying: Lying): Result {
  const inputLeaves = world.inputLeavesOf.get(job.txid) ?? new Map<number, string>()
  const assignment = { ...round.assignment, inputLeaves }
  const jobOutpoint = { txid: job.txid, vout: seat }
  return {
    txid: nextTxid(world),
    inputs: [jobOutpoint],
    role: {
      kind: 'result',
      facts: job.role.facts,
      jobOutpoint,
      agentKey: job.role.seats[seat]?.agentKey ?? '',
      lockedTo: coordinator,
      status: 'completed',
      leaves: answer(operator, job, assignment, lying, world.outputs, world.choices),
    },
  }
}

function hand(world: World, { round, job }: Of<'agent'>, result: Result): void {
  if (!publish(world, result)) return
  const leaves = result.role.leaves.map(leaf => leaf.slice(0, 4)).join(' ')
  world.note(
    `${result.role.agentKey} answers ${job.txid.slice(0, 6)} by ${result.txid.slice(0, 6)}: ${leaves}`,
  )
  world.queue.push({ kind: 'delivery', round, result })
}

function deliver(world: World, event: Of<'delivery'>): void {
  const { round, result } = event
  if (world.choices.chance(CRASH_PERCENT)) {
    world.note('crash: what was stored is sent again, what was delivered comes again')
    afterCrash(world)
    world.queue.push(event)
    return
  }
  if (round.job?.txid !== result.role.jobOutpoint.txid || !world.network.isLive(result.txid)) return
  round.results.set(result.role.agentKey, result)
  // A busy coordinator looks later, when more has come in.
  if (round.results.size === world.seatCount || world.choices.pick(2) === 1) look(world, round)
}

function doubleSpend(world: World): void {
  const { doubleSpends, network, choices } = world
  const [next] = doubleSpends.splice(choices.pick(doubleSpends.length), 1)
  if (next === undefined || !network.isLive(next.old.txid)) return
  const result = resultAt(world, next.old.txid)
  const job = network.transaction(result?.role.jobOutpoint.txid ?? '')
  const guilty = job?.role.kind === 'job' ? job.role.seats[result?.role.jobOutpoint.vout ?? -1] : undefined
  world.records = world.records.map(record =>
    record.operator === guilty?.operator ? { ...record, doubleSpends: record.doubleSpends + 1 } : record,
  )
  replace(world, next)
}

/** Whatever of the coordinator's was paid for with it dies, and all that was built on that. */
function loseFuel(world: World, { transaction }: Of<'fuel-lost'>): void {
  const fuel = world.network.transaction(transaction.inputs.at(-1)?.txid ?? '')
  if (fuel === undefined || !world.network.isLive(fuel.txid)) return
  const { figures, rounds, network } = world
  if (network.isLive(transaction.txid)) {
    if ([...rounds.values()].some(({ firstJob }) => firstJob?.txid === transaction.txid))
      figures.deadFirstJobs++
    if (transaction.role.kind === 'plain') figures.deadCloses++
  }
  replace(world, { old: fuel, by: { txid: nextTxid(world), inputs: fuel.inputs, role: { kind: 'plain' } } })
}

function replace(world: World, { old, by }: DoubleSpend): void {
  const { network, choices, queue, reorg } = world
  const dead = network.replace(old.txid, by)
  world.note(`double spend of ${dead.map(txid => txid.slice(0, 6)).join(' ')}`)
  notice(world, dead)
  if (reorg && choices.pick(3) > 0)
    queue.push({ kind: 'reorganisation', old, by, dead, late: choices.pick(3) > 0 })
}

function reorganise(world: World, { old, by, dead }: Of<'reorganisation'>): void {
  const { network, choices } = world
  world.note(`reorganisation: ${old.txid.slice(0, 6)} is back`)
  const gone = network.replace(by.txid, old)
  // Nodes may have kept what was built on it, or forgotten it.
  const kept = choices.pick(3) === 2 ? [] : dead.flatMap(txid => network.transaction(txid) ?? [])
  for (const transaction of kept) network.accept(transaction)
  const isCertified = kept.some(({ txid, role }) => role.kind === 'certificate' && network.isLive(txid))
  // Of two live certificates one is revoked at once; anything else may take its time to be seen.
  if (isCertified) noticeDeaths(world, [...gone, ...dead])
  else notice(world, [...gone, ...dead])
}

function notice(world: World, dead: readonly string[]): void {
  if (world.choices.pick(2) === 1) noticeDeaths(world, dead)
  else world.queue.push({ kind: 'deaths-noticed', dead })
}

function count(world: World, is: (packet: PacketStanding) => boolean): number {
  return [...world.standings.values()].filter(is).length
}
