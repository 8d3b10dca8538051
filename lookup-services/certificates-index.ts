import type { Outpoint } from '../src/core/rounds/pipeline.ts'
import type { ListPosition } from './cursor.ts'
import type { SpentOutputIndex } from './output-index.ts'

/** What `ls_gitdata_certificates` looks things up in. */
export type CertificatesIndex = SpentOutputIndex<CertificateEntry> & {
  /**
   * In the order asked for, by (admittedMs, txid, vout), beginning after the position given. Whoever finds one of two
   * packets that a log has numbered alike is shown the other one too, behind it.
   */
  find(query: CertificatesQuery): Promise<FoundCertificate[]>
}

export type CertificateEntry = Outpoint & {
  readonly coordinator: string
  /** Or the id of an aggregate. */
  readonly roundId: string
  readonly index: number
  readonly template: string
  readonly level: string
  /** Of the manifest, where it names one, as that is what the quorum has agreed on; else as the token says. */
  readonly packetId: string
  readonly versionId: string
  readonly supersedes: string | null
  /** From the manifest, where one came along that hashes to the version. */
  readonly manifest: ManifestPlace | null
}

export type ManifestPlace = {
  readonly contentHash: string
  /** Or the id of an aggregate; null where the manifest names none. */
  readonly packetId: string | null
  /** Null where the manifest is about no partition of a log. */
  readonly streamId: string | null
  readonly partition: number | null
  /** Null where it is not about one packet: windows and rollups are over many. */
  readonly packetNo: number | null
  /** Who answers for the data: its producer, as the manifest has it. */
  readonly publisherKey: string | null
  /** When the last of its events came; null where the manifest does not say it as ours do. */
  readonly createdMs: number | null
  /** Where its events are from; null where the manifest does not say it. */
  readonly sourceIds: readonly string[] | null
  readonly parents: readonly string[]
}

export type ListedCertificate = Omit<CertificateEntry, 'manifest'> & {
  readonly contentHash: string | null
  readonly streamId: string | null
  readonly partition: number | null
  readonly packetNo: number | null
  readonly publisherKey: string | null
  readonly createdMs: number | null
  readonly spentBy: string | null
  readonly admittedMs: number
}

export type FoundCertificate = ListedCertificate & {
  /** Certificates of one coordinator say that different packets have this one's stream, partition and number. */
  readonly isForked: boolean
  /** Where the next page begins, if this is the last of an answer. */
  readonly position: ListPosition
}

/** Certificates that fit all the members given. */
export type CertificatesQuery = {
  /** Of the packet that the event is in, where it is one of this host's own log, and anybody may read it. */
  readonly eventId?: string | undefined
  readonly roundId?: string | undefined
  readonly packetId?: string | undefined
  readonly versionId?: string | undefined
  readonly supersedes?: string | undefined
  readonly contentHash?: string | undefined
  readonly txid?: string | undefined
  readonly coordinator?: string | undefined
  readonly streamId?: string | undefined
  readonly partition?: number | undefined
  readonly packetNo?: number | undefined
  readonly sourceId?: string | undefined
  readonly publisherKey?: string | undefined
  /** At or after, and before: when the last event of the packet came. */
  readonly createdFromMs?: number | undefined
  readonly createdToMs?: number | undefined
  readonly template?: string | undefined
  readonly level?: string | undefined
  /** Of rounds in which this agent, or an agent of this operator, had a seat. */
  readonly agentKey?: string | undefined
  readonly operator?: string | undefined
  readonly spent?: boolean | undefined
  /** At or after, and before. */
  readonly admittedFromMs?: number | undefined
  readonly admittedToMs?: number | undefined
  readonly order: 'asc' | 'desc'
  readonly limit: number
  readonly after?: ListPosition | undefined
}
