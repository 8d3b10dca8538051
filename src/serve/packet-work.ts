import type { PacketHeader } from '../core/log/packet-header.ts'
import type { PolicySet } from '../core/policy/policy-set.ts'
import type { ResultStatus } from '../core/rounds/pipeline.ts'
import type { Stage } from '../core/rounds/template.ts'

/** All that is on record of one packet and the work on it, as of one moment. */
export type PacketWork = {
  readonly packetId: string
  readonly header: PacketHeader
  /** What had it made, and when. */
  readonly sealedBecause: string
  readonly sealedMs: number
  /** What readers of its events are shown; null while no stage has said anything. */
  readonly shown: ShownState | null
  /** Every round that it was in, the oldest first. */
  readonly rounds: readonly RoundEntry[]
  /** Of the round that counts: per stage the job that counts, in the order of stages. */
  readonly stages: readonly StageWork[]
  /** Every one that was ever written for it, the oldest first. */
  readonly certificates: readonly PacketCertificate[]
  readonly conflicts: readonly PacketConflict[]
}

export type ShownState = {
  readonly state: string
  readonly orchestration: 'quorum' | 'local'
  readonly contentHash: string | null
  readonly versionId: string | null
  readonly processedMs: number | null
  readonly certifiedMs: number | null
  readonly changedMs: number
}

export type RoundEntry = {
  readonly roundId: string
  readonly attempt: number
  readonly state: string
  readonly madeMs: number
  readonly overMs: number | null
  /** Of the packet in the round, and why it left, where it did. */
  readonly member: number
  readonly leftWhy: string | null
  readonly leftMs: number | null
}

export type StageWork = {
  readonly stage: Stage
  readonly txid: string
  readonly roundId: string
  readonly template: string
  readonly level: string
  /** Of the packet in the round. */
  readonly member: number
  readonly inputHash: string
  readonly inputRoot: string
  readonly rebuild: number
  readonly deadlineMs: number
  readonly madeMs: number
  /** The network has it since. */
  readonly seenMs: number | null
  readonly decidedMs: number | null
  readonly outcome: string | null
  readonly seats: readonly SeatWork[]
}

export type SeatWork = {
  readonly vout: number
  readonly agentKey: string
  readonly operator: string
  readonly independence: 'claimed' | 'simulated'
  readonly state: string
  readonly conduct: string | null
  readonly isReserve: boolean
  readonly attempts: number
  readonly offeredMs: number | null
  readonly acknowledgedMs: number | null
  readonly answers: readonly SeatAnswer[]
}

/** A result of the seat's own agent, and what it says of this packet. */
export type SeatAnswer = {
  readonly txid: string
  readonly status: ResultStatus
  /** Zeros: no answer for this packet. */
  readonly leaf: string
  readonly workHash: string
  readonly evidenceHash: string
  readonly arrivedMs: number
  readonly isLate: boolean
  readonly work: 'unchecked' | 'held' | 'void'
  /** Null where the bytes behind the leaf were never here. */
  readonly outputHash: string | null
  readonly stateOut: string | null
  readonly isAgreed: boolean
  /** Where those bytes stand. */
  readonly output: TextAt | null
}

/** A text in lines: an object of the content store, or a part of one. */
export type TextAt = { readonly sha256: string; readonly at: number; readonly length: number }

export type PacketCertificate = {
  readonly txid: string
  readonly vout: number
  readonly roundId: string
  readonly member: number
  readonly level: string
  readonly versionId: string
  /** Canonical. */
  readonly manifest: string
  readonly state: 'written' | 'anchored' | 'proven' | 'dead' | 'revoked'
  readonly blockHeight: number | null
  readonly blockHash: string | null
  readonly writtenMs: number
  readonly anchoredMs: number | null
  readonly provenMs: number | null
  readonly deadMs: number | null
  readonly revokedBy: string | null
  /** Merkle path of the transaction (BRC-74); null until a block holds it. */
  readonly bump: string | null
  /** That it was submitted to. */
  readonly topics: readonly string[]
  /** That have said that they admitted it, this one with them. */
  readonly hosts: number
}

export type PacketConflict = {
  readonly jobTxid: string
  readonly stage: Stage
  readonly decision: 'agreed' | 'retried' | 'split'
  readonly leaf: string | null
  readonly reason: string
  readonly decidedMs: number
}

/** The certificate that counts, if there is one. */
export function liveCertificate({ certificates }: Pick<PacketWork, 'certificates'>) {
  return certificates.find(({ state }) => state === 'anchored' || state === 'proven')
}

/** One line of a text; undefined where the text is not here, or ends before. `busy`: ask again. */
export type ReadLine = (text: TextAt, index: number) => Promise<string | 'busy' | undefined>

/** What is known of a packet; undefined where there is none of that id. */
export type ReadPacketWork = (packetId: string) => Promise<PacketWork | undefined>

/** What the lines of its events are read by. */
export type PacketLines = Pick<PacketWork, 'header' | 'shown' | 'stages'>
export type ReadPacketLines = (packetId: string) => Promise<PacketLines | undefined>

/** Null where the database does not hold the set that a header names. */
export type FindPolicySet = (digest: string) => Promise<PolicySet | null>

/** Blocks on the certificate's own, itself included; null where its path does not lead to that block of the best chain. */
export type CountConfirmations = (blockHeight: number, bump: string) => Promise<number | null>

/** Bytes of these transactions, of those that are here. */
export type ReadTransactions = (txids: readonly string[]) => Promise<ReadonlyMap<string, Uint8Array>>
