import type { SpvEnvelope } from '../../contract/spv-envelope.ts'
import type { DlmVersion } from '../../core/certificate/dlm-version.ts'

/** A version that whoever asks may read. certified: a quorum's; declared: somebody's word alone. */
export type KnownVersion = {
  readonly version: DlmVersion
  readonly standing: VersionStanding
}

export type VersionStanding = 'certified' | 'declared'

/** A transaction that carries a version on chain, as it is stored now. */
export type Carrier = {
  readonly versionId: string
  readonly txid: string
  /** Of the output that names the version. */
  readonly vout: number
  readonly state: CarrierState
  /** What has spent its token. */
  readonly revokedBy: string | null
  /** Who certifies it; null where it is only declared. */
  readonly coordinator: string | null
  readonly block: ProvenBlock | null
}

/**
 * written: signed, and the network has not answered. dead: never sent again. revoked: its token is spent. declared: it is
 * no certificate. The network has the others, or a block.
 */
export type CarrierState = 'written' | 'anchored' | 'proven' | 'revoked' | 'dead' | 'declared'

/** Where the stored proof says that it is. */
export type ProvenBlock = { readonly height: number; readonly root: string }

/** With all that goes into an envelope. */
export type FullCarrier = Carrier & {
  readonly raw: Uint8Array
  readonly proof: SpvEnvelope['proof'] | undefined
}

/** What stands beside the versions of a lineage: who says to take whose place. */
export type Supersession = { readonly versionId: string; readonly by: string }

/** What is proven on the network by now; the same chain for as long as `tip` is the same. */
export type Headers = {
  tip(): Promise<{ readonly height: number; readonly hash: string }>
  /** Of the best chain; undefined beyond the tip. */
  rootAt(height: number): Promise<string | undefined>
  /** The same block, with its header. */
  blockAt(height: number): Promise<Block | undefined>
}

/** The header's own bytes are not kept by a node that follows another one's local chain. */
export type Block = { readonly root: string; readonly header: Uint8Array | undefined }
