import type { Level } from '../../level.ts'
import { belongsTo, type PacketStanding, withoutRound } from './standing.ts'

export const TRIES_MAX = 5
export const REBUILDS_MAX = 5
export const DECIDE_MS_MAX = 10 * 60_000

export type LeaveLimits = {
  readonly triesMax: number
  readonly rebuildsMax: number
  readonly decideMs: number
}

export const leaveLimits: LeaveLimits = {
  triesMax: TRIES_MAX,
  rebuildsMax: REBUILDS_MAX,
  decideMs: DECIDE_MS_MAX,
}

/** A member of a round that does not go on. After leaveRound, `packet` is where it stands from then on. */
export type Leaving = { readonly member: number; readonly why: Why; readonly packet: PacketStanding }

export type Why =
  | 'dissent'
  | 'no-answer'
  /** Agreed or not, a packet before it in its partition does not go on. */
  | 'behind'
  /** A rebuild that agreed on something else than what was certified. */
  | 'other-version'

type Departure = {
  readonly level: Level
  /** Other members of the same job went on. */
  readonly advanced: boolean
  /** How many members the job had. */
  readonly members: number
  readonly limits: LeaveLimits
}

/**
 * Where each of them goes. Only the first leaving packet of a partition may be at fault, and only where others
 * went on or it was alone: who merely stood behind or beside a bad packet counts no try. What leaves a job in
 * which nothing advanced comes back in rounds of half its size instead, which finds the bad packet in a few.
 */
export function leaveRound(leaving: readonly Leaving[], departure: Departure): Leaving[] {
  const heads = new Set<string>()
  return leaving.map(({ member, packet, why }) => {
    const isHead = !heads.has(packet.partition)
    heads.add(packet.partition)
    const left = withoutRound(packet, departure.limits.rebuildsMax)
    return {
      member,
      why,
      packet: packet.version === null ? retryOrSplit(left, why, isHead, departure) : left,
    }
  })
}

/**
 * All that are left of a round for whose next job there are too few operators. That is nobody's fault among the packets,
 * and counts no try: no round is made of them before there are enough.
 */
export function leaveUnseated(
  packets: readonly PacketStanding[],
  roundId: string,
  { rebuildsMax }: Pick<LeaveLimits, 'rebuildsMax'> = leaveLimits,
): Leaving[] {
  return packets.flatMap((packet, member) =>
    belongsTo(packet, roundId)
      ? [{ member, why: 'no-answer' as const, packet: withoutRound(packet, rebuildsMax) }]
      : [],
  )
}

function retryOrSplit(
  packet: PacketStanding,
  why: Why,
  isHead: boolean,
  { level, advanced, members, limits }: Departure,
): PacketStanding {
  const isHalved = !advanced && members > 1
  const roundPacketsMax = isHalved ? members >> 1 : packet.roundPacketsMax
  if (!isHead) return { ...packet, roundPacketsMax }
  const tries = packet.tries + (isHalved ? 0 : 1)
  const isLost =
    tries >= limits.triesMax ||
    packet.waitedMs >= limits.decideMs ||
    (level === 'critical' && why === 'dissent')
  return { ...packet, status: isLost ? 'split' : 'sealed', roundPacketsMax, tries }
}
