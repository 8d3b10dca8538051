import type { Transaction } from '../contract/transaction.ts'
import type { Purpose, Unpaid } from '../contract/unpaid.ts'
import type { Audience } from '../core/audience.ts'
import type { AggregateManifest } from '../core/certificate/aggregate.ts'
import type { CertifiedManifest } from '../core/certificate/manifest.ts'
import type { Fault } from '../core/fault.ts'
import type { Level } from '../core/level.ts'
import type { PacketHeader } from '../core/log/packet-header.ts'
import type { Version } from '../core/rounds/coordinating/standing.ts'
import type { Template } from '../core/rounds/template.ts'
import type { FusedFrom } from '../core/work/read-findings.ts'

/** Leave to work on a round, as whoever decided it had. */
export type RoundLease = { readonly roundId: string; readonly token: number }

/** What making certificates asks of the database. Whatever is written is one transaction, also with what it pays for. */
export type CertificateStore = {
  /** Rounds that are decided, whose certificate nobody else makes; ours for a while. */
  take(limit: number): Promise<readonly DueCertificate[]>
  keep(leases: readonly RoundLease[]): Promise<readonly RoundLease[]>
  /** Somebody takes it again after so long: it could not be done now. */
  postpone(lease: RoundLease, error: unknown, afterMs: number): Promise<void>
  /**
   * What is stored does not make a certificate, and will not the next time: the answers that were to be certified count for
   * nothing from now on, and the round is to be looked at.
   */
  giveUp(lease: RoundLease, why: string): Promise<void>
  letGo(): Promise<void>
  /**
   * Resolves once it can be looked up whose word the fused records of this version rest on, and whose they overruled; it
   * counts once the packet is certified with this version. Noting it again changes nothing.
   */
  noteFused(version: FusedVersion, nowMs: number): Promise<void>
  /** Stores manifests and the certificate's transaction before a byte of it leaves. */
  write(lease: RoundLease, certificate: UnpaidCertificate): Promise<Written>
  /** Certificates on which the network has said something new, without these: the first of them, and the rest the next time. */
  heard(without: readonly string[]): Promise<readonly HeardCertificate[]>
  /**
   * The network has it: its packets are certified and anchored, the round is over. Whoever was certified before keeps its
   * version.
   */
  anchored(certificate: HeardCertificate, nowMs: number): Promise<'written' | 'lost'>
  /** It is dead, or came back: its packets are certified without an anchor, and the round is to be looked at. */
  lost(certificate: HeardCertificate, why: string, nowMs: number): Promise<'written' | 'lost'>
  /** A block has it, or no longer has it. */
  moved(certificate: HeardCertificate, nowMs: number): Promise<'written' | 'lost'>
}

/** A decided round with all that its certificate is made from. */
export type DueCertificate = {
  readonly lease: RoundLease
  readonly template: Template
  readonly level: Level
  readonly audience: Audience
  readonly rebuild: number
  /** Of the certify job. */
  readonly job: Transaction
  readonly threadVout: number
  /** Every result at hand, dissent too. */
  readonly results: readonly Transaction[]
  readonly members: readonly DueMember[]
}

export type DueMember = {
  readonly index: number
  readonly packetId: string
  /** Undefined for an aggregate. */
  readonly header: PacketHeader | undefined
  readonly versionId: string
  readonly streamId: string
  /** Whether what its manifest says is for anybody: its stream is public and published, and belongs to no tenant. */
  readonly isOpen: boolean
  /** As certifiers agreed on it, canonical: it hashes to the versionId. */
  readonly manifestJson: string
  readonly manifest: CertifiedManifest | AggregateManifest
  /** Where the agreed output and the state after it stand; of an aggregate, the lines that it states. */
  readonly validated: AgreedOutput
  /** What it was certified with before, if it was. */
  readonly version: Version | null
}

export type FusedVersion = {
  readonly packetId: string
  readonly versionId: string
  readonly fused: readonly FusedFrom[]
}

export type AgreedOutput = {
  readonly outputHash: string
  readonly stateOut: string | null
  /** Undefined: none of what agents have stored is it. */
  read(): Promise<{ readonly output: Uint8Array; readonly state: Uint8Array } | undefined>
}

export type UnpaidCertificate = {
  readonly purpose: Purpose
  readonly unpaid: Unpaid
  readonly members: readonly DueMember[]
  readonly nowMs: number
}

export type Written =
  | { readonly kind: 'written'; readonly transaction: Transaction }
  | { readonly kind: 'lost' }
  | { readonly kind: 'refused'; readonly fault: Fault }
  /** Nor could it be the next time: what is stored makes no certificate. */
  | { readonly kind: 'unreadable'; readonly why: string }

export type HeardCertificate = {
  readonly txid: string
  readonly roundId: string
  readonly standing: 'seen' | 'mined' | 'dead'
  /**
   * What is new: the network has it, or has it again after we took it for dead; a block has it, another block, or none
   * any more; it is dead, or it came back where it must not count.
   */
  readonly news: 'arrived' | 'moved' | 'lost'
  readonly why: string | undefined
}

/** Resolves once the bytes are on disk under this hash, for those who may read them. */
export type KeepOutput = (
  output: { readonly sha256: string; readonly bytes: Uint8Array; readonly what: 'output' | 'state' },
  sharing: { readonly audience: Audience; readonly streamId: string },
) => Promise<void>
