import { sha256Hex } from '#sha256'
import type { Issuer } from '../contract/tokens.ts'
import { type Level, levels } from '../core/level.ts'
import type { PacketHeader } from '../core/log/packet-header.ts'
import { canSeat } from '../core/rounds/coordinating/operators.ts'
import { goesAlone, groupBy, planRounds, type RoundPlan } from '../core/rounds/coordinating/plan.ts'
import { enterRound } from '../core/rounds/coordinating/standing.ts'
import { noLeaf } from '../core/rounds/pipeline.ts'
import { type RoundDocument, writeRoundDocument } from '../core/rounds/round-document.ts'
import { stagesOf, type Template } from '../core/rounds/template.ts'
import { STATE_BYTES_DEFAULT } from '../core/rules/carried-state.ts'
import type { CoordinatorBounds } from './bounds.ts'
import { chooseSeats, operatorsFor, type RoundNeed, sizeFor } from './choose-seats.ts'
import { outputBytesMax, unpaidJob } from './job.ts'
import type { CandidatePacket, Choice, Directory, DueAggregate, Opening, PlanView } from './ports.ts'

export type PlanMeans = {
  readonly directory: Directory
  readonly log: Issuer
  /** Where agents find what belongs to a round; none where nobody knows our address, and then no round is made. */
  readonly locations: readonly string[]
  readonly bounds: Pick<CoordinatorBounds, 'seats' | 'plan' | 'job'>
}

/** The rounds to open now, at most so many, each with its document and its first job. */
export function chooseRounds(view: PlanView, means: PlanMeans, roundsMax: number): Choice {
  const unseated = new Set<Level>()
  const planned = (each: Class) => {
    const need = roundNeed(each, view, means)
    if (isSeatable(each, need, means)) return plansOf(each, need, means)
    unseated.add(each.level)
    return []
  }
  const lanes = inTurn(lanesOf(view), view.rotation).map(lane => lane.flatMap(planned))
  const longest = Math.max(0, ...lanes.map(({ length }) => length))
  const openings: Opening[] = []
  for (let place = 0; place < longest && openings.length < roundsMax; place++)
    for (const { [place]: next } of lanes)
      if (next !== undefined && openings.length < roundsMax)
        openings.push(...openingOf(next, view.rotation + openings.length, means))
  const seatable = levels.filter(level => !unseated.has(level) && isLevelSeatable(level, view, means))
  return { openings, seatable: new Set(seatable) }
}

/** Levels for which the node's own operators could be asked now. */
export function seatableLevels(means: PlanMeans, nowMs: number): ReadonlySet<Level> {
  const nothing: PlanView = { packets: [], aggregates: [], rotation: 0, nowMs }
  return chooseRounds(nothing, means, 0).seatable
}

/** What may share rounds: one level, one roster and one audience, and of restricted streams each by itself. */
type Class = {
  readonly template: Template
  readonly level: Level
  readonly operators: readonly string[]
  readonly rosterDigest: string
  /** Those that may go, and those that they build on. */
  readonly packets: readonly CandidatePacket[]
  readonly aggregate: DueAggregate | undefined
}

/**
 * What takes turns: each kind of packets that are next in their partitions, all that is made up for, and all aggregates.
 * However much one of them has, it takes no room that another one needs.
 */
function lanesOf(view: PlanView): Class[][] {
  const { alone, next } = packetClasses(view)
  const aggregates = view.aggregates.map(aggregateClass)
  const lanes = [inTurn(alone, view.rotation), ...next.map(each => [each]), aggregates]
  return lanes.filter(({ length }) => length > 0)
}

function packetClasses({ packets, rotation }: PlanView): { readonly alone: Class[]; readonly next: Class[] } {
  const [alone, next]: [Class[], Class[]] = [[], []]
  const shared = new Map<string, [head: CandidatePacket, ...CandidatePacket[]][]>()
  for (const partition of groupBy(packets, ({ standing }) => standing.partition).values()) {
    const standings = partition.map(({ standing }) => standing)
    const isAlone = ({ standing }: CandidatePacket) => goesAlone(standing, standings)
    const below = partition.filter(({ standing }) => standing.status !== 'sealed').map(asContext)
    for (const packet of partition.filter(isAlone)) {
      const others = below.filter(({ standing }) => standing.packetId !== packet.standing.packetId)
      alone.push(packetClass([packet, ...others], packet))
    }
    const [head, ...run] = partition
      .filter(packet => packet.standing.status === 'sealed' && !isAlone(packet))
      .sort((a, b) => a.standing.packetNo - b.standing.packetNo)
    if (head === undefined) continue
    const key = keyOf(head)
    const cut = run.findIndex(packet => keyOf(packet) !== key)
    const going = cut < 0 ? run : run.slice(0, cut)
    shared.set(key, [...(shared.get(key) ?? []), [head, ...going, ...below]])
  }
  for (const partitions of shared.values()) {
    const [[head] = []] = partitions
    if (head !== undefined) next.push(packetClass(inTurn(partitions, rotation).flat(), head))
  }
  return { alone, next }
}

/** Its rebuild is planned by itself; here it is what others build on. */
function asContext(packet: CandidatePacket): CandidatePacket {
  const { standing } = packet
  if (standing.status !== 'unanchored') return packet
  return { ...packet, standing: { ...standing, status: 'certified' } }
}

function packetClass(
  packets: readonly CandidatePacket[],
  { standing, header, operators }: CandidatePacket,
): Class {
  return {
    template: 'packet',
    level: standing.level,
    operators,
    rosterDigest: header.rosterDigest,
    packets,
    aggregate: undefined,
  }
}

function aggregateClass(aggregate: DueAggregate): Class {
  const { standing, operators, rosterDigest } = aggregate
  return { template: 'aggregate', level: standing.level, operators, rosterDigest, packets: [], aggregate }
}

function keyOf({ header, readers }: CandidatePacket): string {
  const { level, audience, rosterDigest, log, network, streamId } = header
  // What comes of a round may be read by all who may read any of it.
  return JSON.stringify([
    level,
    audience,
    rosterDigest,
    log,
    network,
    audience === 'restricted' ? (readers ?? streamId) : null,
  ])
}

function roundNeed(
  { level, operators }: Pick<Class, 'level' | 'operators'>,
  { nowMs, rotation }: PlanView,
  { log, bounds }: PlanMeans,
): RoundNeed {
  const deadlineMs = nowMs + bounds.job.timeoutMs
  return { level, operators, coordinator: log.identityKey, nowMs, deadlineMs, rotation }
}

function isSeatable({ template, level }: Class, need: RoundNeed, means: PlanMeans): boolean {
  const { directory, locations, bounds } = means
  if (locations.length === 0) return false
  return canSeat(operatorsFor(stagesOf(template), need, directory, bounds.seats), level)
}

/** Of a level that nobody waits for: whether the node's own operators could be asked. */
function isLevelSeatable(level: Level, view: PlanView, means: PlanMeans): boolean {
  const any: Class = {
    ...{ template: 'packet', level, operators: [], rosterDigest: '', packets: [] },
    aggregate: undefined,
  }
  const isWaiting =
    view.packets.some(({ standing }) => standing.level === level) ||
    view.aggregates.some(({ standing }) => standing.level === level)
  return isWaiting || isSeatable(any, roundNeed(any, view, means), means)
}

type Laid = {
  readonly each: Class
  readonly need: RoundNeed
  readonly plan: RoundPlan
  readonly packets: readonly Pick<CandidatePacket, 'stateBytesMax'>[]
  readonly rebuild: number
  /** Canonical; written only for what is opened. */
  document(): string
}

function plansOf(each: Class, need: RoundNeed, means: PlanMeans): Laid[] {
  const { aggregate } = each
  if (aggregate !== undefined) return [aggregatePlan(each, aggregate, need)]
  const size = sizeFor(stagesOf(each.template), need, means.directory, means.bounds.seats)
  const { roundPackets, roundBytes, roundDocBytes } = means.bounds.plan
  const limits = {
    roundPackets: Math.min(roundPackets, size.packets),
    roundBytes: Math.min(roundBytes, size.bytes),
    roundDocBytes,
  }
  const standings = each.packets.map(({ standing }) => standing)
  const byId = new Map(each.packets.map(packet => [packet.standing.packetId, packet]))
  return planRounds(standings, new Set([each.level]), limits).map(plan => {
    const packets = plan.packets.flatMap(({ packetId }) => byId.get(packetId) ?? [])
    const document = () => writeRoundDocument(documentOf(plan, packets, means.locations))
    return { each, need, plan, packets, rebuild: 0, document }
  })
}

/** The same thing is asked again under the same name where nothing came of it, so its transactions are counted on. */
function aggregatePlan(each: Class, due: DueAggregate, need: RoundNeed): Laid {
  const { standing, document, rebuild } = due
  const plan: RoundPlan = {
    roundId: standing.packetId,
    attempt: standing.rounds + 1,
    packets: [enterRound(standing, standing.packetId)],
    partitions: new Map(),
  }
  return { each, need, plan, packets: [{}], rebuild, document: () => document }
}

function openingOf(laid: Laid, rotation: number, means: PlanMeans): Opening[] {
  const { plan } = laid
  const { template, level, rosterDigest } = laid.each
  const need = { ...laid.need, rotation }
  const { directory, log, locations, bounds } = means
  const [stage] = stagesOf(template)
  if (stage === undefined) return []
  const bytes = plan.packets.reduce((sum, packet) => sum + packet.bytes, 0)
  const agents = chooseSeats({ ...need, stage, packets: plan.packets.length, bytes }, directory, bounds.seats)
  if (agents === undefined) return []
  const document = laid.document()
  const sizes = plan.packets.map((packet, i) => ({
    bytes: packet.bytes,
    stateBytesMax: laid.packets[i]?.stateBytesMax ?? STATE_BYTES_DEFAULT,
  }))
  const job = unpaidJob({
    ...{ coordinator: log, subject: plan.roundId, template, stage, level, agents, locations },
    members: plan.packets.map((_, index) => index),
    inputRoot: noLeaf,
    inputHash: sha256Hex(document),
    deadlineMs: need.deadlineMs,
    outputBytesMax: outputBytesMax(sizes, bounds.job.outputBytesMax),
    rebuild: laid.rebuild,
    spends: [],
    bounds: bounds.job,
  })
  return [{ template, plan, document, rosterDigest, job }]
}

function documentOf(
  plan: RoundPlan,
  packets: readonly CandidatePacket[],
  locations: readonly string[],
): RoundDocument {
  const headers = packets.map(({ header }) => header)
  const firsts = new Map<string, PacketHeader>()
  for (const { standing, header } of packets)
    if (!firsts.has(standing.partition)) firsts.set(standing.partition, header)
  const digests = [...new Set(headers.map(({ policyDigest }) => policyDigest))].sort()
  return {
    v: 1,
    try: plan.attempt,
    headers,
    partitions: [...firsts].map(([name, { streamId, partition }]) => {
      const { parent = null, stateIn = null } = plan.partitions.get(name) ?? {}
      return { streamId, partition, parent, stateIn }
    }),
    policies: digests.map(digest => ({ digest, locations })),
  }
}

/** Whoever comes first in one plan comes last in the next: the first ones may take all the room there is. */
function inTurn<T>(items: readonly T[], rotation: number): T[] {
  const at = items.length === 0 ? 0 : rotation % items.length
  return [...items.slice(at), ...items.slice(0, at)]
}
