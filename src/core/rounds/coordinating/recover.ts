import type { Outpoint, PipelineTransaction } from '../pipeline.ts'
import { belongsTo, type PacketStanding } from './standing.ts'

/** What the network holds of a round, as far as the coordinator can see. */
export type NetworkView = {
  readonly isLive: (txid: string) => boolean
  /** The live transaction that spends an output, whoever made it. */
  readonly spenderOf: (outpoint: Outpoint) => PipelineTransaction | undefined
}

/**
 * The last live transaction on a round's thread, or undefined if not even its first job is alive. After a
 * crash, a double spend or a reorganisation this is the round, whatever was tried meanwhile.
 */
export function endOfThread(
  firstJob: PipelineTransaction,
  network: NetworkView,
): PipelineTransaction | undefined {
  if (!network.isLive(firstJob.txid)) return undefined
  let end = firstJob
  // Each step is a later stage, so this ends with the template.
  for (;;) {
    if (end.role.kind !== 'job') return end
    const next = network.spenderOf({ txid: end.txid, vout: end.role.seats.length })
    if (next === undefined) return end
    end = next
  }
}

export type Recovery = {
  /** By index in the round, changed or not. */
  readonly packets: readonly PacketStanding[]
  /** Members whose token in the live certificate is spent at once: each has another live one. */
  readonly revoke: readonly number[]
  /**
   * resume: decide the job at the thread's end again, with live and late results, waiting anew.
   * close: nobody is left to go on with that job. over: the thread has ended.
   */
  readonly next: 'resume' | 'close' | 'over'
}

/**
 * Where a round stands after its transactions died or came back. A packet that has left it stays outside, even
 * if the job at the thread's end lists it: its next round may certify it at any moment.
 */
export function recoverRound(
  roundId: string,
  packets: readonly PacketStanding[],
  end: PipelineTransaction | undefined,
  network: NetworkView,
): Recovery {
  if (end?.role.kind === 'certificate') return adoptCertificate(roundId, packets, end, network)
  const isOver = end?.role.kind !== 'job'
  const standing = packets.map(packet => {
    if (!belongsTo(packet, roundId)) return packet
    return isOver ? withoutRound(packet) : undecided(packet)
  })
  if (isOver) return { packets: standing, revoke: [], next: 'over' }
  const someGoOn = standing.some(packet => belongsTo(packet, roundId))
  return { packets: standing, revoke: [], next: someGoOn ? 'resume' : 'close' }
}

/** A certificate of ours that is alive is taken as it is, except where its packet has another live one. */
function adoptCertificate(
  roundId: string,
  packets: readonly PacketStanding[],
  certificate: PipelineTransaction,
  network: NetworkView,
): Recovery {
  const { txid, role } = certificate
  const members = role.kind === 'certificate' ? role.members : []
  const position = new Map(members.map(({ index }, i) => [index, i]))
  const revoke: number[] = []
  const standing = packets.map((packet, index) => {
    const at = position.get(index)
    if (packet.certificate === txid) return packet
    const isRevoked = at !== undefined && network.spenderOf({ txid, vout: 2 * at + 1 }) !== undefined
    if (at === undefined || isRevoked) return belongsTo(packet, roundId) ? withoutRound(packet) : packet
    const isElsewhere = packet.certificate !== null && network.isLive(packet.certificate)
    if (isElsewhere || packet.version?.versionId !== members[at]?.versionId) {
      revoke.push(index)
      return packet
    }
    return { ...packet, roundId, status: 'certified' as const, certificate: txid }
  })
  return { packets: standing, revoke, next: 'over' }
}

function undecided(packet: PacketStanding): PacketStanding {
  return packet.version === null ? packet : { ...packet, status: 'rebuilding', certificate: null }
}

function withoutRound(packet: PacketStanding): PacketStanding {
  const status = packet.version === null ? 'sealed' : 'unanchored'
  return { ...packet, status, roundId: null, certificate: null }
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
