import type { Outpoint } from '../src/core/rounds/pipeline.ts'
import type { ListPosition } from './cursor.ts'

/**
 * What `ls_gitdata_certificates` looks things up in. A host that is in the middle of recording an admission may have a
 * write take effect with that admission; then it resolves before.
 */
export type CertificatesIndex = {
  /** Resolves once the certificate is listed. One that is there already stays as it is, its time included. */
  put(certificate: CertificateEntry): Promise<void>
  /** Resolves once the certificate is listed as spent; nothing happens to one that is not listed. */
  markSpent(outpoint: Outpoint, spendingTxid: string): Promise<void>
  /** Resolves once the certificate is listed as unspent, if this transaction is what it was spent by. */
  markUnspent(outpoint: Outpoint, spendingTxid: string): Promise<void>
  /** Resolves once no answer will name the certificate any more. */
  remove(outpoint: Outpoint): Promise<void>
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
  readonly packetId: string
  readonly versionId: string
  readonly supersedes: string | null
  /** From the manifest, where one came along that hashes to the version. */
  readonly manifest: ManifestPlace | null
}

export type ManifestPlace = {
  readonly contentHash: string
  /** Null where the manifest is about no partition of a log. */
  readonly streamId: string | null
  readonly partition: number | null
  /** Null where it is not about one packet: windows and rollups are over many. */
  readonly packetNo: number | null
}

export type ListedCertificate = Omit<CertificateEntry, 'manifest'> & {
  readonly contentHash: string | null
  readonly streamId: string | null
  readonly partition: number | null
  readonly packetNo: number | null
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
