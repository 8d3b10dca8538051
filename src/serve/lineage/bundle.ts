import type { ProvenEnvelope, SpvEnvelope } from '../../contract/spv-envelope.ts'
import { againstBlock, againstCarrier, envelopeOf, isLive, type NoProof } from './check-carrier.ts'
import { collectLineage, type LineageBounds, type ReadVersions } from './collect-lineage.ts'
import type {
  Carrier,
  CarrierState,
  FullCarrier,
  Headers,
  KnownVersion,
  Supersession,
} from './known-version.ts'

export type BundlePolicy = {
  /** POLICY_MIN_CONFS. */
  readonly confirmationsMin: number
  /** BUNDLE_VALIDATE: whether an envelope that does not hold, or is not deep enough, is refused rather than given. */
  readonly validates: boolean
}

export type BundleDeps = {
  readonly readVersions: ReadVersions
  /** Of each version the best first; a version without any is missing. */
  readonly readCarriers: (versionIds: readonly string[]) => Promise<ReadonlyMap<string, readonly Carrier[]>>
  /** With the transaction, where that is no longer than `bytesMax`; undefined where its proof is gone since. */
  readonly readWhole: (wanted: {
    readonly carrier: Carrier
    readonly bytesMax: number
  }) => Promise<FullCarrier | 'too-long' | undefined>
  readonly readSupersessions: (versionIds: readonly string[]) => Promise<readonly Supersession[]>
  readonly headers: Headers
  readonly policy: BundlePolicy
  readonly bounds: LineageBounds
}

export type BundleAnswer =
  | { readonly kind: 'bundle'; readonly bundle: Bundle }
  | { readonly kind: 'incomplete-lineage'; readonly hint: string }
  | { readonly kind: 'invalid-envelope'; readonly versionId: string; readonly reason: NoProof }
  | { readonly kind: 'too-large'; readonly atDepth: number }

/** The members before `assay` are DLM1's own. */
export type Bundle = {
  readonly bundleType: 'datasetLineageBundle'
  readonly target: string
  readonly graph: {
    readonly nodes: readonly { versionId: string; manifestHash: string; txo: string }[]
    readonly edges: readonly { child: string; parent: string }[]
  }
  readonly manifests: readonly { manifestHash: string; manifest: unknown }[]
  readonly proofs: readonly { versionId: string; envelope: SpvEnvelope }[]
  readonly assay: {
    readonly tip: { readonly height: number; readonly hash: string }
    /** The least of all. */
    readonly confirmations: number
    readonly depth: number
    /** Parents that are further away than asked: each is a versionId to go on from. */
    readonly beyond: readonly string[]
    readonly versions: readonly VersionNote[]
  }
}

export type VersionNote = {
  readonly versionId: string
  readonly standing: KnownVersion['standing']
  readonly state: CarrierState
  /** Whose certificate proves it; null where a declaration does. */
  readonly coordinator: string | null
  readonly supersededBy: readonly string[]
  /** Certificates of it whose token is spent, beside the one that is given. */
  readonly revoked: readonly Pick<Carrier, 'txid' | 'revokedBy' | 'coordinator'>[]
}

/** A version with its lineage and the proofs of all of it, as the headers are at this moment. */
export async function makeBundle(target: string, depth: number, deps: BundleDeps): Promise<BundleAnswer> {
  const collected = await collectLineage(target, depth, deps.readVersions, deps.bounds)
  if (collected.kind === 'too-large') return collected
  if (collected.kind === 'missing') return incomplete(`missing-manifest:${collected.versionId}`)
  const { versions, beyond } = collected
  const versionIds = versions.map(({ version }) => version.versionId)
  const tip = await deps.headers.tip()
  const carriers = await deps.readCarriers(versionIds)
  const proofs: Proven[] = []
  // Each is given in hex.
  let bytesLeft = Math.floor(deps.bounds.bytesMax / 2)
  for (const versionId of versionIds) {
    const proof = await proveOne(versionId, carriers.get(versionId) ?? [], { tip, bytesLeft, ...deps })
    if (proof === 'too-long') return { kind: 'too-large', atDepth: depth }
    if (proof.kind !== 'proven') return proof
    bytesLeft -= proof.carrier.raw.length
    proofs.push(proof)
  }
  const inside = new Set(versionIds)
  return {
    kind: 'bundle',
    bundle: {
      bundleType: 'datasetLineageBundle',
      target,
      graph: {
        nodes: proofs.map(({ carrier: { versionId, txid, vout } }) => ({
          ...{ versionId, manifestHash: versionId },
          txo: `${txid}:${vout}`,
        })),
        edges: versions.flatMap(({ version: { versionId: child, parents } }) =>
          parents.filter(parent => inside.has(parent)).map(parent => ({ child, parent })),
        ),
      },
      manifests: versions.map(({ version: { versionId, manifest } }) => ({
        manifestHash: versionId,
        manifest,
      })),
      proofs: proofs.map(({ carrier: { versionId }, envelope }) => ({ versionId, envelope })),
      assay: {
        tip,
        confirmations: Math.min(...proofs.map(({ envelope }) => envelope.confirmations)),
        depth,
        beyond,
        versions: notesOn(versions, proofs, await deps.readSupersessions(versionIds)),
      },
    },
  }
}

function incomplete(hint: string): BundleAnswer {
  return { kind: 'incomplete-lineage', hint }
}

type Proven = {
  readonly kind: 'proven'
  readonly carrier: FullCarrier
  readonly envelope: ProvenEnvelope
  readonly others: readonly Carrier[]
}

type ProvingDeps = Pick<BundleDeps, 'headers' | 'policy' | 'readWhole'> & {
  readonly tip: { readonly height: number }
  readonly bytesLeft: number
}

/** By the first of its carriers whose proof holds; where none does, the best of them says why. */
async function proveOne(
  versionId: string,
  carriers: readonly Carrier[],
  deps: ProvingDeps,
): Promise<Proven | BundleAnswer | 'too-long'> {
  let why: NoProof = 'missing-envelope'
  for (const carrier of carriers.filter(isLive)) {
    const tried = await proveBy(carrier, deps)
    if (tried === 'too-long') return tried
    if (typeof tried !== 'string')
      return { kind: 'proven', ...tried, others: carriers.filter(each => each.txid !== carrier.txid) }
    if (why === 'missing-envelope') why = tried
  }
  return why === 'missing-envelope'
    ? incomplete(`missing-envelope:${versionId}`)
    : { kind: 'invalid-envelope', versionId, reason: why }
}

/** Its transaction is read only once its block is known to be on the best chain. */
async function proveBy(
  carrier: Carrier,
  { headers, policy, readWhole, tip, bytesLeft }: ProvingDeps,
): Promise<Pick<Proven, 'carrier' | 'envelope'> | NoProof | 'too-long'> {
  const block = carrier.block === null ? undefined : await headers.blockAt(carrier.block.height)
  const against = againstBlock(carrier, block)
  if (against !== undefined || block === undefined) return against ?? 'missing-envelope'
  const whole = await readWhole({ carrier, bytesMax: bytesLeft })
  if (whole === 'too-long') return whole
  const envelope = whole && envelopeOf(whole, block, tip.height)
  if (whole === undefined || envelope === undefined) return 'missing-envelope'
  return againstEnvelopeOf(whole, envelope, policy) ?? { carrier: whole, envelope }
}

function againstEnvelopeOf(
  carrier: FullCarrier,
  envelope: ProvenEnvelope,
  { validates, confirmationsMin }: BundlePolicy,
): NoProof | undefined {
  if (!validates) return undefined
  return (
    againstCarrier(carrier, envelope) ??
    (envelope.confirmations < confirmationsMin ? 'insufficient-confs' : undefined)
  )
}

function notesOn(
  versions: readonly KnownVersion[],
  proofs: readonly Proven[],
  supersessions: readonly Supersession[],
): VersionNote[] {
  return versions.map(({ version: { versionId }, standing }, i) => ({
    versionId,
    standing,
    state: proofs[i]?.carrier.state ?? 'written',
    coordinator: proofs[i]?.carrier.coordinator ?? null,
    supersededBy: supersessions.flatMap(each => (each.versionId === versionId ? [each.by] : [])),
    revoked: (proofs[i]?.others ?? []).flatMap(({ state, txid, revokedBy, coordinator }) =>
      state === 'revoked' ? [{ txid, revokedBy, coordinator }] : [],
    ),
  }))
}
