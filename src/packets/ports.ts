import type { Audience } from '../core/audience.ts'
import type { PartitionRecord, SealMark, Segment } from '../core/log/entries.ts'
import type { SealedPacket } from '../core/log/packet.ts'
import type { PacketHeader } from '../core/log/packet-header.ts'
import type { Circumstances, SealBecause, UnsealedHead } from './decide-seal.ts'
import type { IdleHead } from './decide-window.ts'
import type { SequenceSeen } from './source-sequences.ts'
import type { WindowReach } from './window-reach.ts'

/** Leave to seal a partition. Whoever takes it next gets a greater token, and nothing is written under an older one. */
export type Lease = { readonly partitionId: number; readonly token: number }

export type OpenHead = UnsealedHead &
  Pick<Circumstances, 'isBehind'> & {
    /** A packet was marked before, and is not made. */
    readonly hasUnmade: boolean
  }

/** What sealing asks of the log. */
export type SealingLog = {
  /**
   * Partitions with events in no packet that nobody else is sealing, those that nothing holds up first, and of them those
   * that wait longest; and how much there is in all, of partitions those that nothing holds up.
   */
  readUnsealed(): Promise<{
    readonly heads: readonly OpenHead[]
    readonly events: number
    readonly partitions: number
  }>
  /** Partitions of streams with windows whose events are all sealed, and whose windows may not be closed. */
  readIdle(): Promise<readonly (UnsealedHead & IdleHead)[]>
  /** Partitions with seal marks whose packets are not made. */
  readUnmade(): Promise<readonly number[]>
  /**
   * Takes what nobody else has, or has let run out, and keeps what we have. `wait`: also for those that an append holds
   * at this moment; without it, these are left out.
   */
  lease(partitionIds: readonly number[], options?: { readonly wait?: boolean }): Promise<readonly Lease[]>
  /** False where somebody else has taken it. */
  keepLease(lease: Lease): Promise<boolean>
  /** Lets go of everything, so that others need not wait. */
  letGo(): Promise<void>
  /** Ends a packet where `decide` says so of the head under its lock; `lost` where somebody else has the lease. */
  mark(
    lease: Lease,
    decide: (head: UnsealedHead) => SealWish | undefined,
  ): Promise<'marked' | 'not now' | 'lost'>
  /** What the next packet of a partition is made from; undefined where each mark has its packet. */
  readSealing(partitionId: number): Promise<Sealing | undefined>
  /**
   * Resolves once it is durable, or was: `there` where somebody has made it before us. Throws where the log has another
   * packet in its place. `lost` where somebody else has the lease, and nothing was written.
   */
  writePacket(
    lease: Lease,
    packet: SealedPacket,
    sequences: readonly SequenceSeen[],
    nowMs: number,
  ): Promise<'written' | 'there' | 'lost'>
}

export type SealWish = {
  readonly because: SealBecause
  readonly watermarkMs: number
  readonly policyDigest: string
  readonly rosterDigest: string
  readonly nowMs: number
}

/** A part of the log that one packet follows from. */
export type Sealing = {
  readonly record: PartitionRecord
  readonly previous: PacketHeader | null
  readonly segments: readonly Segment[]
  readonly mark: SealMark
  readonly because: string
  readonly markedMs: number
}

/** What sealing has to know of a stream. */
export type SealedStream = {
  readonly audience: Audience
  readonly latenessMs: number
  readonly policyDigest: string
  readonly rosterDigest: string
  /** Of the policy set with this digest. */
  windowOf(policyDigest: string): Promise<WindowReach | undefined>
}

/** Resolves once the bytes are on disk, under the hash that the header states, for those who may read its stream. */
export type KeepPayload = (packet: SealedPacket, sharing: { readonly audience: Audience }) => Promise<void>
