import { type Level, quorums } from '../../../../src/core/level.ts'
import type { Decision } from '../../../../src/core/rounds/coordinating/decide.ts'
import type { OperatorRecord } from '../../../../src/core/rounds/coordinating/operators.ts'
import { newlySealed, type PacketStanding } from '../../../../src/core/rounds/coordinating/standing.ts'
import type { SentJob } from '../../../../src/core/rounds/coordinating/thread.ts'
import type { Outpoint, PipelineTransaction, Role } from '../../../../src/core/rounds/pipeline.ts'
import { type Assignment, hash, type Outputs, type SimulatedPacket } from './agents.ts'
import { type Choices, choicesFrom } from './choices.ts'
import { createNetwork, type Network } from './network.ts'
import { type Rules, rules } from './rules.ts'

export const coordinator = 'coordinator'

export const behaviours = [
  'honest',
  'silent',
  'late',
  'lies-once',
  'colludes',
  'equivocates',
  'double-spends',
] as const
export type Behaviour = (typeof behaviours)[number]

export type Operator = { readonly name: string; readonly behaviour: Behaviour | 'mixed' }

export type Result = PipelineTransaction & { readonly role: Extract<Role, { kind: 'result' }> }

export type OpenRound = {
  readonly id: string
  readonly packetIds: readonly string[]
  readonly assignment: Omit<Assignment, 'inputLeaves'>
  readonly madeAt: number
  firstJob: SentJob | undefined
  /** txid of the last transaction on its thread, as far as the coordinator knows. */
  last: string | undefined
  /** The network has not said yet whether it takes that one. */
  inFlight: boolean
  /** The job to decide; none while something is in flight, and once the round has ended. */
  job: SentJob | undefined
  /** As delivered, by agent. */
  results: Map<string, Result>
  deadlinePassed: boolean
}

export type Deed = Exclude<Decision, { kind: 'wait' | 'follow' }>

export type Decided = { readonly job: SentJob; readonly deed: Deed }

export type Occurrence = (
  | {
      readonly kind: 'arrival'
      readonly round: OpenRound
      readonly transaction: PipelineTransaction
      /** None for a first job, and for a close after which nobody is left to leave. */
      readonly decided: Decided | undefined
    }
  | { readonly kind: 'agent'; readonly round: OpenRound; readonly job: SentJob; readonly seat: number }
  | { readonly kind: 'delivery'; readonly round: OpenRound; readonly result: Result }
  | { readonly kind: 'deadline'; readonly round: OpenRound; readonly job: SentJob }
  | { readonly kind: 'double-spend' }
  /** The fuel of one of the coordinator's own transactions turns out to be spent elsewhere. */
  | { readonly kind: 'fuel-lost'; readonly transaction: PipelineTransaction }
  | { readonly kind: 'reopen'; readonly packetId: string }
  | { readonly kind: 'deaths-noticed'; readonly dead: readonly string[] }
  | ({ readonly kind: 'reorganisation'; readonly dead: readonly string[] } & DoubleSpend)
) & { readonly late?: boolean }

export type DoubleSpend = { readonly old: PipelineTransaction; readonly by: PipelineTransaction }

/** Everything there is in one run: what the coordinator keeps, what the others hold, and what is yet to happen. */
export type World = {
  readonly choices: Choices
  readonly rules: Rules
  readonly reorg: boolean
  readonly level: Level
  readonly seatCount: number
  readonly operators: readonly Operator[]
  readonly packets: ReadonlyMap<string, SimulatedPacket>
  /** Deadlines may fire before honest answers. */
  readonly chaos: boolean
  readonly network: Network
  readonly outputs: Outputs
  readonly queue: Occurrence[]
  readonly doubleSpends: DoubleSpend[]
  fuelLosses: number
  readonly note: (text: string) => void

  readonly standings: Map<string, PacketStanding>
  readonly rounds: Map<string, OpenRound>
  /** The coordinator's transactions; a crash does not lose them. */
  readonly stored: PipelineTransaction[]
  readonly recordedDead: Set<string>
  records: OperatorRecord[]

  /** For the checks only. */
  readonly certificates: {
    readonly txid: string
    readonly members: readonly { readonly packetId: string; readonly versionId: string }[]
  }[]
  /** How many members the last job had in which a packet's round agreed on nothing. */
  readonly closedOf: Map<string, number>
  readonly figures: Figures
  readonly firstCertified: Map<
    string,
    { readonly at: number; readonly madeAt: number; readonly txid: string }
  >
  readonly inputLeavesOf: Map<string, ReadonlyMap<number, string>>
  readonly reopened: Set<string>
  tick: () => number
}

/** What happened in a run; the runs are worth something only if all of it does. */
export type Figures = {
  packets: number
  split: number
  deadFirstJobs: number
  deadCloses: number
  refusedCloses: number
  followed: number
  returnedCertificates: number
  revocations: number
}

const nothing: Figures = {
  packets: 0,
  split: 0,
  deadFirstJobs: 0,
  deadCloses: 0,
  refusedCloses: 0,
  followed: 0,
  returnedCertificates: 0,
  revocations: 0,
}

export function sumOf(runs: readonly Figures[]): Figures {
  const sum = { ...nothing }
  for (const figures of runs)
    for (const key of Object.keys(sum) as (keyof Figures)[]) sum[key] += figures[key]
  return sum
}

export type RunOptions = {
  /** Dead transactions may come back. */
  readonly reorg?: boolean
  /** Replaces rules by broken ones. */
  readonly plant?: (rules: Rules, world: World) => Partial<Rules>
}

export function createWorld(source: number | readonly number[], options: RunOptions, trace: string[]): World {
  const choices = choicesFrom(source)
  const { pick } = choices
  const level = (['enhanced', 'basic', 'critical'] as const)[pick(3)] ?? 'enhanced'
  const operators = createOperators(quorums[level].seats + pick(3), choices)
  const packets = createPackets(choices)
  let ticks = 0
  const world: World = {
    choices,
    rules: { ...rules },
    reorg: options.reorg ?? false,
    level,
    seatCount: quorums[level].seats,
    operators,
    packets,
    chaos: pick(4) === 3,
    network: createNetwork(),
    outputs: { stateOut: new Map(), stateUsed: new Map(), manifests: new Map() },
    queue: [],
    doubleSpends: [],
    fuelLosses: 0,
    note: text => trace.push(text),
    standings: new Map([...packets.values()].map(packet => [packet.packetId, sealed(packet, level)])),
    rounds: new Map(),
    stored: [],
    recordedDead: new Set(),
    records: operators.map(({ name }) => ({
      operator: name,
      reachable: true,
      failurePoints: 0,
      doubleSpends: 0,
    })),
    certificates: [],
    closedOf: new Map(),
    figures: { ...nothing, packets: packets.size },
    firstCertified: new Map(),
    inputLeavesOf: new Map(),
    reopened: new Set(),
    tick: () => ticks++,
  }
  Object.assign(world.rules, options.plant?.(rules, world))
  world.note(`${level}, operators ${operators.map(({ behaviour }) => behaviour).join(' ')}`)
  world.note(`packets ${[...packets.values()].map(({ name, kind }) => `${name} ${kind}`).join(', ')}`)
  return world
}

function createOperators(count: number, { pick }: Choices): Operator[] {
  const operators: Operator[] = Array.from({ length: count }, (_, i) => ({
    name: `operator-${i}`,
    behaviour: 'honest',
  }))
  for (let faults = pick(Math.min(count, 3) + 1); faults > 0; faults--) {
    const at = pick(count)
    const behaviour = behaviours[pick(behaviours.length + 1)] ?? 'mixed'
    operators[at] = { name: `operator-${at}`, behaviour }
  }
  return operators
}

function createPackets({ pick }: Choices): Map<string, SimulatedPacket> {
  const packets = new Map<string, SimulatedPacket>()
  const partitions = 1 + pick(3)
  for (let partition = 0; partition < partitions; partition++) {
    const count = 1 + pick(3)
    for (let packetNo = 0; packetNo < count; packetNo++) {
      const draw = pick(12)
      const packetId = hash('packet', partition, packetNo)
      packets.set(packetId, {
        packetId,
        name: `${partition}.${packetNo}`,
        partition: `stream/${partition}`,
        packetNo,
        kind: draw === 11 ? 'flaky' : draw === 10 ? 'poison' : 'ok',
        flakyStage: pick(3),
      })
    }
  }
  return packets
}

function sealed({ packetId, partition, packetNo }: SimulatedPacket, level: Level): PacketStanding {
  return newlySealed({ packetId, partition, packetNo, level, audience: 'public', bytes: 1, documentBytes: 1 })
}

export function standingOf(world: World, packetId: string): PacketStanding {
  const standing = world.standings.get(packetId)
  if (standing === undefined) throw new Error(`no packet ${packetId}`)
  return standing
}

export function nameOf(world: World, packetId: string): string {
  return world.packets.get(packetId)?.name ?? packetId
}

export function nextTxid(world: World): string {
  return hash('transaction', world.tick())
}

export function resultAt(world: World, txid: string): Result | undefined {
  const transaction = world.network.transaction(txid)
  return transaction?.role.kind === 'result' ? { ...transaction, role: transaction.role } : undefined
}

export function isSpent(world: World, outpoint: Outpoint): boolean {
  return world.network.spenderOf(outpoint) !== undefined
}

/** Thrown inside a run and caught by it: the first broken promise ends the run. */
export class Broken extends Error {
  readonly kind: string

  constructor(kind: string, what: string) {
    super(what)
    this.kind = kind
  }
}
