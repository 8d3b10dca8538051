import type { Level } from '../../level.ts'
import { ROUND_PACKETS_MAX, roundId } from '../round.ts'
import { ROUND_DOC_BYTES_MAX } from '../round-document.ts'
import { type ChainPlace, enterRound, isOvertaken, isPassedBy, type PacketStanding } from './standing.ts'

export const ROUND_BYTES_MAX = 32 * 1024 * 1024

export type PlanLimits = {
  readonly roundPackets: number
  readonly roundBytes: number
  readonly roundDocBytes: number
}

export const planLimits: PlanLimits = {
  roundPackets: ROUND_PACKETS_MAX,
  roundBytes: ROUND_BYTES_MAX,
  roundDocBytes: ROUND_DOC_BYTES_MAX,
}

export type RoundPlan = {
  readonly roundId: string
  /** Called `try` in the round document. */
  readonly attempt: number
  /** In the order of the round, as they stand once they have entered it. */
  readonly packets: readonly PacketStanding[]
  /** Where each partition of the round begins, by its name. */
  readonly partitions: ReadonlyMap<string, ChainPlace>
}

/**
 * The rounds to open now. A partition is in one open round at a time, with its next undecided packets in
 * order, so that parent and state are known when the round is made. A packet that was passed by, and one
 * whose certificate is rebuilt, has a round of its own and changes nobody else's parent or state.
 *
 * `packets` are, of every partition with something to do: the unfinished ones, those certified last below
 * them, and any that were decided behind them. Levels whose operators cannot seat a job now are left out of
 * `seatable`.
 */
export function planRounds(
  packets: readonly PacketStanding[],
  seatable: ReadonlySet<Level>,
  limits: PlanLimits = planLimits,
): RoundPlan[] {
  const able = packets.filter(packet => seatable.has(packet.level))
  const partitions = groupBy(able, packet => packet.partition)
  const alone = able
    .filter(packet => goesAlone(packet, partitions.get(packet.partition) ?? []))
    .map(packet => [packet])
  const runs = [...partitions.values()]
    .map(partition => nextRun(partition, limits))
    .filter(run => run.length > 0)
  const alike = groupBy(runs, ([head]) => `${head?.packet.level} ${head?.packet.audience}`)
  const shared = [...alike.values()].flatMap(runs => fillRounds(runs, limits))
  return [...alone, ...shared].map(group => planOf(group, partitions))
}

/** What is made up for: whatever its partition has open goes on beside it. */
export function goesAlone(packet: PacketStanding, partition: readonly PacketStanding[]): boolean {
  return packet.status === 'unanchored' || (packet.status === 'sealed' && isOvertaken(packet, partition))
}

/** `size`: how large a round the packet may be part of. */
type Candidate = { readonly packet: PacketStanding; readonly size: number }

/** The undecided packets of a partition that may go now: none while one of them is in a round. */
function nextRun(partition: readonly PacketStanding[], limits: PlanLimits): Candidate[] {
  const next = partition.filter(packet => !isOvertaken(packet, partition))
  if (next.some(packet => packet.status === 'open')) return []
  const { roundPackets } = limits
  const run = next
    .filter(packet => packet.status === 'sealed')
    .sort((a, b) => a.packetNo - b.packetNo)
    .map(packet => ({ packet, size: Math.min(roundPackets, packet.roundPacketsMax ?? roundPackets) }))
  const [head] = run
  return head !== undefined && isPassedBy(head.packet, partition) ? [{ ...head, size: 1 }] : run
}

/** Takes from each run in turn what still fits; a run that was taken from waits for that round's end. */
function fillRounds(runs: readonly Candidate[][], limits: PlanLimits): PacketStanding[][] {
  const groups: PacketStanding[][] = []
  let left = runs
  while (left.length > 0) {
    const group: PacketStanding[] = []
    let room = { packets: limits.roundPackets, bytes: limits.roundBytes, docBytes: limits.roundDocBytes }
    left = left.filter(run => {
      const before = group.length
      for (const { packet, size } of run) {
        const { bytes, documentBytes } = packet
        const packets = Math.min(room.packets, size)
        const fits = group.length < packets && bytes <= room.bytes && documentBytes <= room.docBytes
        // One packet always goes, however large: it will not be smaller later.
        if (group.length > 0 && !fits) break
        group.push(packet)
        room = { packets, bytes: room.bytes - bytes, docBytes: room.docBytes - documentBytes }
      }
      return group.length === before
    })
    groups.push(group)
  }
  return groups
}

function planOf(
  group: readonly PacketStanding[],
  partitions: ReadonlyMap<string, readonly PacketStanding[]>,
): RoundPlan {
  const attempt = 1 + Math.max(...group.map(packet => packet.rounds))
  const packetIds = group.map(packet => packet.packetId)
  const id = roundId(attempt, packetIds)
  const starts = new Map<string, ChainPlace>()
  for (const packet of group) {
    const { partition } = packet
    if (!starts.has(partition)) starts.set(partition, startOf(packet, partitions.get(partition) ?? []))
  }
  return { roundId: id, attempt, packets: group.map(packet => enterRound(packet, id)), partitions: starts }
}

/** State and parent come from certified packets only: what was merely validated may still be decided otherwise. */
function startOf(packet: PacketStanding, partition: readonly PacketStanding[]): ChainPlace {
  if (packet.version !== null) return { parent: packet.version.parent, stateIn: packet.version.stateIn }
  let start: ChainPlace = { parent: null, stateIn: null }
  let last = -1
  for (const { packetId, packetNo, version } of partition) {
    if (version === null || packetNo >= packet.packetNo || packetNo <= last) continue
    last = packetNo
    start = { parent: { packetId, versionId: version.versionId }, stateIn: version.stateOut }
  }
  return start
}

/** In the order in which their keys come first. */
export function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
