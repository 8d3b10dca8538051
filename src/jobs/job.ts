import { beginsRound } from '../contract/fuel-hash.ts'
import { baseTopics } from '../contract/names.ts'
import { jobOutputs } from '../contract/pipeline-outputs.ts'
import type { Spend } from '../contract/spend.ts'
import type { Issuer } from '../contract/tokens.ts'
import { type Level, quorums } from '../core/level.ts'
import type { JobFacts, Outpoint } from '../core/rounds/pipeline.ts'
import { type Stage, stagesOf, type Template } from '../core/rounds/template.ts'
import type { JobBounds } from './bounds.ts'
import type { KnownAgent, UnpaidJob } from './ports.ts'

/** Everything that one job is made of. */
export type JobOrder = {
  readonly coordinator: Issuer
  /** roundId, or the aggregate's id. */
  readonly subject: string
  readonly template: Template
  readonly stage: Stage
  readonly level: Level
  readonly members: readonly number[]
  readonly inputRoot: string
  readonly inputHash: string
  readonly deadlineMs: number
  readonly outputBytesMax: number
  readonly rebuild: number
  /** Those that are asked first come first. */
  readonly agents: readonly KnownAgent[]
  readonly locations: readonly string[]
  /** Thread and results of the stage before; none for a first one. */
  readonly spends: readonly Spend[]
  readonly bounds: Pick<JobBounds, 'fanOut' | 'satsPerKb'>
}

/** A stage of work as a transaction, before fuel is added and it is signed. */
export function unpaidJob(order: JobOrder): UnpaidJob {
  const { coordinator, template, stage, level, members, agents, bounds } = order
  const { subject, inputRoot, inputHash, deadlineMs, outputBytesMax } = order
  const facts: JobFacts = {
    coordinator: coordinator.identityKey,
    ...{ subject, template, stage, level, members, inputRoot, inputHash, deadlineMs, outputBytesMax },
  }
  const satoshis = seatSatoshis(members.length, bounds.satsPerKb)
  const seated = agents.map(({ agentKey, word }) => ({ agentKey, word, satoshis }))
  const outputs = (inputs: readonly Outpoint[]) =>
    jobOutputs(coordinator, facts, seated, order.locations, inputs)
  const first = bounds.fanOut === 'all' ? agents.length : quorums[level].agreeing
  return {
    facts,
    seats: agents.map(({ agentKey, word: { operator }, endpoints }, at) => ({
      ...{ agentKey, operator, endpoints, satoshis },
      isReserve: at >= first,
    })),
    purpose: { subject, stage, rebuild: order.rebuild },
    unpaid: {
      spends: order.spends,
      // Only those that say what is spent wait for the fuel to be chosen: signing them is most of what a job costs.
      outputs: beginsRound(order) ? outputs : outputs([]),
      topics: jobTopics(template, stage),
    },
    fanOut: bounds.fanOut,
  }
}

/** Its own, and that of the stage before, which sees its coins spent. */
export function jobTopics(template: Template, stage: Stage): string[] {
  const before = stagesOf(template)[stagesOf(template).indexOf(stage) - 1]
  return before === undefined ? [baseTopics[stage]] : [baseTopics[stage], baseTopics[before]]
}

/** A result's one satoshi and its fee, which grows with its leaves, and a quarter more: an agent may have no other coins. */
export function seatSatoshis(members: number, satsPerKb: number): number {
  const bytes = RESULT_BYTES + MEMBER_BYTES * members
  return Math.ceil((1 + (bytes * satsPerKb) / 1000) * SEAT_RESERVE)
}

const SEAT_RESERVE = 1.25

/** A result without members; each adds its leaf and its index. */
const RESULT_BYTES = 640
const MEMBER_BYTES = 34

/** What lines may grow to, with their issues and what was fused; less than this would be no answer for small packets. */
const GROWTH = 2
const MEMBER_BYTES_MIN = 64 * 1024

/** What an agent may store for a job: of each packet its output and its state. */
export function outputBytesMax(
  packets: readonly { readonly bytes: number; readonly stateBytesMax: number }[],
  objectBytesMax: number,
): number {
  const bytes = packets.reduce(
    (sum, packet) => sum + GROWTH * packet.bytes + packet.stateBytesMax + MEMBER_BYTES_MIN,
    0,
  )
  return Math.min(bytes, objectBytesMax)
}
