/** A version of a data set that this node knows (DLM1), and what has become of it. */
export type KnownVersion = {
  readonly versionId: string
  readonly datasetId: string
  /** In the order in which the manifest lists them. */
  readonly parents: readonly string[]
  readonly contentHash: string
  /** As the manifest says it. */
  readonly createdAt: string
  readonly producerKey: string | null
  /** certified: a quorum's, and a certificate of this node carries it. declared: somebody said so, and nobody here checked. */
  readonly standing: 'certified' | 'declared'
  readonly knownMs: number
  /** Null where it is not about a packet of this node. */
  readonly streamId: string | null
  readonly packetId: string | null
  /** The one that counts, else the last one; null where nobody here has certified it. */
  readonly certificate: VersionCertificate | null
  /** Versions that this node's certificates say to stand in its place. */
  readonly supersededBy: readonly string[]
  /** Transactions of others that declare it, the first ones. */
  readonly declarations: readonly VersionDeclaration[]
}

export type VersionCertificate = {
  readonly txid: string
  /** Of its certificate token. */
  readonly vout: number
  readonly state: 'written' | 'anchored' | 'proven' | 'dead' | 'revoked'
  readonly level: string
  readonly blockHeight: number | null
  readonly revokedBy: string | null
}

export type VersionDeclaration = {
  readonly txid: string
  readonly status: 'pending' | 'proven'
  readonly height: number | null
}

/** Where a version stands among those of its data set: those known last come first. */
export type VersionPosition = { readonly knownMs: number; readonly versionId: string }

export type VersionPage = {
  readonly items: readonly KnownVersion[]
  readonly below: VersionPosition | null
}
