import type { Audience } from '../../audience.ts'
import type { Level } from '../../level.ts'

/** Where one packet stands on its way to a certificate: what the coordinator keeps, and decides from. */
export type PacketStanding = {
  readonly packetId: string
  /** `<streamId>/<partition>`: packets of one partition are decided in order. */
  readonly partition: string
  readonly packetNo: number
  readonly level: Level
  readonly audience: Audience
  readonly bytes: number
  /** What it adds to a round document, at most (documentBytes). */
  readonly documentBytes: number

  readonly status: PacketStatus
  /** The open round it is in, or the one that certified it. A packet that has left a round never returns to it. */
  readonly roundId: string | null
  /** Rounds it was in so far, of every kind. */
  readonly rounds: number
  readonly tries: number
  /**
   * The largest round it may be part of; null is any. Half the job in which nothing was agreed, so that a packet
   * that silences agents ends up alone.
   */
  readonly roundPacketsMax: number | null
  /** Rounds that were to bring its certificate back, since one of its certificates was last in a block. */
  readonly rebuilds: number
  /** What agents have had for it in the rounds that it left: not what it waited for agents, for fuel, or for us. */
  readonly waitedMs: number
  /** Set by the first certificate and never changed: a rebuild ends with exactly this, or not at all. */
  readonly version: Version | null
  /** txid of its live certificate. */
  readonly certificate: string | null
}

export type PacketStatus =
  /** Waits for a round. */
  | 'sealed'
  /** In a round, undecided: its partition waits for it. */
  | 'open'
  | 'certified'
  /** No quorum after its tries: recorded, passed by, certifiable later. */
  | 'split'
  /** Certified, and its certificate died: waits for a round that rebuilds it. */
  | 'unanchored'
  | 'rebuilding'
  /** Certified, and its rebuilds are used up: it stays certified, without an anchor. */
  | 'abandoned'

/** What a packet builds on: the version certified before it in its partition, and the state that this left. */
export type ChainPlace = {
  readonly parent: Parent | null
  /** SHA-256 of the state's bytes; null is the empty state. */
  readonly stateIn: string | null
}

export type Version = ChainPlace & { readonly versionId: string; readonly stateOut: string | null }

export type Parent = { readonly packetId: string; readonly versionId: string }

type SealedFacts = Pick<
  PacketStanding,
  'packetId' | 'partition' | 'packetNo' | 'level' | 'audience' | 'bytes' | 'documentBytes'
>

export function newlySealed(facts: SealedFacts): PacketStanding {
  return {
    ...facts,
    status: 'sealed',
    roundId: null,
    rounds: 0,
    tries: 0,
    roundPacketsMax: null,
    rebuilds: 0,
    waitedMs: 0,
    version: null,
    certificate: null,
  }
}

export function belongsTo(packet: PacketStanding, roundId: string): boolean {
  return packet.roundId === roundId
}

/** Decided later than packets behind it: it no longer is anybody's parent. */
export function isPassedBy(packet: PacketStanding, packets: readonly PacketStanding[]): boolean {
  return packets.some(
    other =>
      other.partition === packet.partition &&
      other.packetNo > packet.packetNo &&
      (other.version !== null || other.status === 'split'),
  )
}

/**
 * What is behind it has gone on without it, which only a packet that was split, and taken up again, can be left by. One
 * split behind it says nothing: that may have been in its own round.
 */
export function isOvertaken(packet: PacketStanding, packets: readonly PacketStanding[]): boolean {
  return packets.some(
    ({ partition, packetNo, version }) =>
      partition === packet.partition && packetNo > packet.packetNo && version !== null,
  )
}

export function enterRound(packet: PacketStanding, roundId: string): PacketStanding {
  const entered = { ...packet, roundId, rounds: packet.rounds + 1 }
  if (packet.version === null) return { ...entered, status: 'open' }
  return { ...entered, status: 'rebuilding', rebuilds: packet.rebuilds + 1 }
}

export function certifiedBy(packet: PacketStanding, certificate: string, version: Version): PacketStanding {
  return { ...packet, status: 'certified', certificate, version: packet.version ?? version }
}

/**
 * In a block, where no double spend reaches it: a later loss is a new one. Not before, or an operator that takes
 * back its result after each certificate would have a packet rebuilt for ever.
 */
export function settledInBlock(packet: PacketStanding): PacketStanding {
  return { ...packet, rebuilds: 0 }
}

/** Out of its round for good, wherever it goes from there. */
export function withoutRound(packet: PacketStanding, rebuildsMax: number): PacketStanding {
  const left = { ...packet, roundId: null, certificate: null }
  if (packet.version === null) return { ...left, status: 'sealed' }
  return { ...left, status: packet.rebuilds >= rebuildsMax ? 'abandoned' : 'unanchored' }
}

/** A split packet is given a fresh set of tries, on its owner's word. */
export function reopenSplit(packet: PacketStanding): PacketStanding {
  if (packet.status !== 'split') return packet
  return { ...packet, status: 'sealed', tries: 0, roundPacketsMax: null, waitedMs: 0 }
}
