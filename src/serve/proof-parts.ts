/** What is stored of one certified packet that proofs are put together from, as of one moment. */
export type ProofParts = {
  readonly packetId: string
  /** Of the certificate. */
  readonly txid: string
  /** Canonical. */
  readonly manifestJson: string
  /** The packet's header, canonical. */
  readonly header: string
  /** History form: the certificate last. */
  readonly beef: Uint8Array
  /** The certificate's own Merkle path; undefined until a block holds it. */
  readonly bump: Uint8Array | undefined
  readonly round: { readonly count: number; readonly attempt: number }
  /** Of the packet in its round. */
  readonly index: number
  readonly path: readonly string[]
}

/** Why there is no proof, and what has to come first. */
export type Unproven =
  /** Nothing has the event in a packet yet. */
  | { readonly kind: 'unsealed' }
  /** Agents have not certified the packet; `state` is how far it is. */
  | { readonly kind: 'uncertified'; readonly state: string }
  /** The certificate is written, and the network has not said yet that it has it. */
  | { readonly kind: 'unanchored'; readonly txid: string }
  /** A reorganisation took the proof of something that the certificate descends from. */
  | { readonly kind: 'unproven-history'; readonly txid: string }
  /** The certificate was spent, and no other one stands. */
  | { readonly kind: 'revoked'; readonly txid: string; readonly revokedBy: string | null }
  /** The bytes of the packet, or of its certified output, are not here any more. */
  | { readonly kind: 'gone'; readonly sha256: string }

export type FoundProofParts = { readonly kind: 'parts'; readonly parts: ProofParts } | Unproven

/** Undefined where there is no packet of that id. */
export type ReadProofParts = (packetId: string) => Promise<FoundProofParts | undefined>

/** Lines whose hashes make a tree: of a packet, or of its output. */
export type LineTree = {
  readonly count: number
  readonly root: string
  /** Undefined where its bytes have gone meanwhile. */
  line(index: number): Promise<string | undefined>
  path(index: number): readonly string[]
}

/** Of the object with this hash; undefined where it is not here. `busy`: ask again. */
export type ReadLineTree = (sha256: string) => Promise<LineTree | 'busy' | undefined>
