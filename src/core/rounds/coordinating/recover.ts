import type { PipelineTransaction } from '../pipeline.ts'
import { leaveLimits } from './leave.ts'
import { belongsTo, type PacketStanding, withoutRound } from './standing.ts'
import type { NetworkView } from './thread.ts'

/** A round as its coordinator holds it. */
export type HeldRound = {
  readonly roundId: string
  /** By index in the round; those that have left it too. */
  readonly packets: readonly PacketStanding[]
  /** txid of the last transaction on its thread that was built or taken over; undefined once there was none. */
  readonly last: string | undefined
  /** The network has not said yet whether it takes that one. */
  readonly inFlight: boolean
}

export type Recovery = {
  /** By index in the round, changed or not. */
  readonly packets: readonly PacketStanding[]
  /** Members whose token in the live certificate is spent at once: it is not the one they are certified by. */
  readonly revoke: readonly number[]
  /**
   * none: it stands where it stood, or the network's word on what was sent comes first. resume: decide the job at
   * the thread's end again, with live and late results, waiting anew. close: nobody is left to go on with that
   * job. over: the thread has ended.
   */
  readonly next: 'none' | 'resume' | 'close' | 'over'
}

/**
 * Where a round stands after its transactions were refused, died or came back; `end` is the end of its thread. A
 * packet that has left the round stays outside, even if the job at that end lists it: its next round may certify
 * it at any moment. Asking again changes nothing, except that what must be revoked is named until it is.
 */
export function recoverRound(
  round: HeldRound,
  end: PipelineTransaction | undefined,
  network: NetworkView,
  rebuildsMax = leaveLimits.rebuildsMax,
): Recovery {
  const { roundId, packets } = round
  if (round.inFlight) return { packets, revoke: [], next: 'none' }
  if (end?.role.kind === 'certificate') return adoptCertificate(round, end, network, rebuildsMax)
  if (end?.txid === round.last) return { packets, revoke: [], next: 'none' }
  const isOver = end?.role.kind !== 'job'
  const standing = packets.map(packet => {
    if (!belongsTo(packet, roundId)) return packet
    return isOver ? withoutRound(packet, rebuildsMax) : undecided(packet)
  })
  if (isOver) return { packets: standing, revoke: [], next: 'over' }
  const someGoOn = standing.some(packet => belongsTo(packet, roundId))
  return { packets: standing, revoke: [], next: someGoOn ? 'resume' : 'close' }
}

/**
 * A certificate of ours that is alive is taken as it is, except where its packet has another live one or was
 * certified with another version. Whoever waits in the round without being certified by it is free again: the
 * thread has ended, so nothing else would ever come of it.
 */
function adoptCertificate(
  { roundId, packets }: HeldRound,
  { txid, role }: PipelineTransaction,
  network: NetworkView,
  rebuildsMax: number,
): Recovery {
  const members = role.kind === 'certificate' ? role.members : []
  const position = new Map(members.map(({ index }, i) => [index, i]))
  const revoke: number[] = []
  const standing = packets.map((packet, index) => {
    const at = position.get(index)
    if (packet.certificate === txid) return packet
    const isRevoked = at !== undefined && network.spenderOf({ txid, vout: 2 * at + 1 }) !== undefined
    const isElsewhere = packet.certificate !== null && network.isLive(packet.certificate)
    const isIts = at !== undefined && packet.version?.versionId === members[at]?.versionId
    if (isIts && !isElsewhere && !isRevoked)
      return { ...packet, roundId, status: 'certified' as const, certificate: txid }
    if (at !== undefined && !isRevoked) revoke.push(index)
    return belongsTo(packet, roundId) && !isElsewhere ? withoutRound(packet, rebuildsMax) : packet
  })
  return { packets: standing, revoke, next: 'over' }
}

function undecided(packet: PacketStanding): PacketStanding {
  return packet.version === null ? packet : { ...packet, status: 'rebuilding', certificate: null }
}

/**
 * After a crash the stored transactions go out again, without those that were recorded dead: one of them could
 * take the place of what was built since, and bring a second certificate to life.
 */
export function transactionsToResend<T extends { readonly txid: string }>(
  stored: readonly T[],
  recordedDead: ReadonlySet<string>,
): T[] {
  return stored.filter(transaction => !recordedDead.has(transaction.txid))
}
