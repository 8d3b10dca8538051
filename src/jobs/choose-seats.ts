import { type Level, quorums } from '../core/level.ts'
import { acceptedOperators } from '../core/log/roster.ts'
import { type OperatorRecord, orderOperators } from '../core/rounds/coordinating/operators.ts'
import type { Stage } from '../core/rounds/template.ts'
import type { Directory, KnownAgent } from './ports.ts'

export type Strategy = 'reputation' | 'latency' | 'cost'

/** Whom the node asks, and whom first. */
export type SeatRules = {
  readonly strategy: Strategy
  /** Agents below it are asked only where too few others are left. */
  readonly reputationMin: number
  /** Satoshis per thousand events; undefined for any. */
  readonly priceMax: number | undefined
  /** None for any. */
  readonly regions: readonly string[]
  /** Where a stream names none; none for anybody's. */
  readonly operators: readonly string[]
}

/** One job as the search for its agents sees it. */
export type SeatNeed = {
  readonly stage: Stage
  readonly level: Level
  /** Whose agents may be asked; none: those of the node. */
  readonly operators: readonly string[]
  /** Its own operator key counts at `basic` alone: elsewhere nobody would admit the job. */
  readonly coordinator: string
  readonly packets: number
  readonly bytes: number
  readonly nowMs: number
  readonly deadlineMs: number
  /** Counts up with each round: equals take turns. */
  readonly rotation: number
}

/**
 * An agent per seat, each of another operator, those first that are to be asked first; undefined where there are fewer
 * operators than seats. Who cannot be reached, is too small or has too bad a name is asked only to fill the job: all seats
 * are made, even if nobody sits there now.
 */
export function chooseSeats(
  need: SeatNeed,
  directory: Directory,
  rules: SeatRules,
): readonly KnownAgent[] | undefined {
  const { seats } = quorums[need.level]
  const best = bestOfEach(need, directory, rules)
  if (best.size < seats) return undefined
  const records = recordsOf(best, directory)
  const rankOf = (operator: string) => {
    const agent = best.get(operator)
    return agent === undefined ? 0 : rankBy[rules.strategy](agent)
  }
  const chosen: string[] = []
  for (const isIn of fallbacks) {
    if (chosen.length >= seats) break
    const further = records.filter(({ operator }) => {
      const agent = best.get(operator)
      return !chosen.includes(operator) && agent !== undefined && isIn(agent, need, rules)
    })
    chosen.push(...orderOperators(further, need.rotation, rankOf))
  }
  return chosen.slice(0, seats).flatMap(operator => best.get(operator) ?? [])
}

/** What any job of a round can ask of somebody, whatever is in it. */
export type RoundNeed = Omit<SeatNeed, 'stage' | 'packets' | 'bytes'>

/** Operators that could sit in a round; `reachable` where they have an agent within reach for each of its stages. */
export function operatorsFor(
  stages: readonly Stage[],
  need: RoundNeed,
  directory: Directory,
  rules: SeatRules,
): OperatorRecord[] {
  const byStage = stages.map(stage => bestOfEach({ ...need, stage, packets: 1, bytes: 0 }, directory, rules))
  return directory
    .operators()
    .filter(({ operator }) => byStage.every(best => best.has(operator)))
    .map(record => ({
      ...record,
      reachable: byStage.every(best => best.get(record.operator)?.reachable === true),
    }))
}

/**
 * The largest round that a quorum takes at every stage. Whoever advertises less has what seats are left, or one operator
 * of three could have every round be of one packet.
 */
export function sizeFor(
  stages: readonly Stage[],
  need: RoundNeed,
  directory: Directory,
  rules: SeatRules,
): { readonly packets: number; readonly bytes: number } {
  const { agreeing, seats } = quorums[need.level]
  let size = { packets: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER }
  for (const stage of stages) {
    const best = [...bestOfEach({ ...need, stage, packets: 1, bytes: 0 }, directory, rules).values()]
    const able = best.filter(agent => agent.reachable)
    const asked = able.length >= seats ? able : best
    const nth = (values: number[]) => values.sort((a, b) => b - a)[Math.min(agreeing, values.length) - 1]
    size = {
      packets: Math.min(size.packets, nth(asked.map(agent => agent.packetsMax)) ?? 1),
      bytes: Math.min(size.bytes, nth(asked.map(agent => agent.bytesMax)) ?? 0),
    }
  }
  return size
}

/** From those who are asked gladly to those who are asked because a seat would stay empty. */
const fallbacks: readonly ((agent: KnownAgent, need: SeatNeed, rules: SeatRules) => boolean)[] = [
  (agent, need, rules) => agent.reachable && takes(agent, need) && agent.reputation >= rules.reputationMin,
  (agent, need) => agent.reachable && takes(agent, need),
  agent => agent.reachable,
  () => true,
]

/** Agents of one operator compete for its one seat. */
function bestOfEach(need: SeatNeed, directory: Directory, rules: SeatRules): Map<string, KnownAgent> {
  const able = directory.agents(need.stage).filter(agent => isEligible(agent, need, rules))
  const byKey = able.toSorted((a, b) => (a.agentKey < b.agentKey ? -1 : 1))
  const turnOf = new Map(byKey.map(({ agentKey }, at) => [agentKey, (at + need.rotation) % byKey.length]))
  const placeOf = (agent: KnownAgent) => fallbacks.findIndex(isIn => isIn(agent, need, rules))
  const rankOf = rankBy[rules.strategy]
  const best = new Map<string, KnownAgent>()
  const isBetter = (agent: KnownAgent, than: KnownAgent) =>
    (placeOf(agent) - placeOf(than) ||
      rankOf(agent) - rankOf(than) ||
      (turnOf.get(agent.agentKey) ?? 0) - (turnOf.get(than.agentKey) ?? 0)) < 0
  for (const agent of byKey) {
    const other = best.get(agent.word.operator)
    if (other === undefined || isBetter(agent, other)) best.set(agent.word.operator, agent)
  }
  return best
}

/** What no want of others makes up for: a job with such a seat would not be admitted, or not be taken, or cost too much. */
function isEligible({ word, ...agent }: KnownAgent, need: SeatNeed, rules: SeatRules): boolean {
  const { operator, operatorFromMs, operatorToMs } = word
  const allowed = acceptedOperators(need.operators, rules.operators)
  if (allowed.length > 0 && !allowed.includes(operator)) return false
  if (need.level !== 'basic' && operator === need.coordinator) return false
  if (operatorFromMs > need.deadlineMs || operatorToMs < need.deadlineMs) return false
  if (agent.expiresMs <= need.nowMs) return false
  if (rules.priceMax !== undefined && agent.satoshisPerThousandEvents > rules.priceMax) return false
  return rules.regions.length === 0 || (agent.region !== undefined && rules.regions.includes(agent.region))
}

function takes({ packetsMax, bytesMax }: KnownAgent, need: SeatNeed): boolean {
  return need.packets <= packetsMax && need.bytes <= bytesMax
}

function recordsOf(best: ReadonlyMap<string, KnownAgent>, directory: Directory): OperatorRecord[] {
  return directory.operators().flatMap(record => {
    const agent = best.get(record.operator)
    return agent === undefined ? [] : [{ ...record, reachable: agent.reachable }]
  })
}

const REPUTATION_STEP = 10

/**
 * Less is asked sooner. Reputation and latency in coarse steps: a hair's breadth is no reason to give one of them all the
 * work, and whoever is new gets a turn among the equals.
 */
const rankBy: { readonly [strategy in Strategy]: (agent: KnownAgent) => number } = {
  reputation: ({ reputation }) => -Math.floor(reputation / REPUTATION_STEP),
  latency: ({ latencyMs }) => (latencyMs === null ? 0 : Math.floor(Math.log2(Math.max(1, latencyMs)))),
  cost: ({ satoshisPerThousandEvents }) => satoshisPerThousandEvents,
}
