import { sha256Hex } from '#sha256'
import { accepted, type Fault, type Outcome, refused } from '../core/fault.ts'
import type { PolicySet } from '../core/policy/policy-set.ts'
import { type Stage, stages } from '../core/rounds/template.ts'
import { certifyPacket } from '../core/work/certify-packet.ts'
import { normalizePacket } from '../core/work/normalize-packet.ts'
import { outcomeLeaf } from '../core/work/stage-output.ts'
import { validatePacket } from '../core/work/validate-packet.ts'
import { gatherEvidence, gatherPacketEvidence, type PacketEvidence } from './evidence.ts'
import { isPacketProof, readPacketProof, readProof } from './proof.ts'

/** What a packet's work is done again from; who has it matters to nobody, as all of it is held against its hash. */
export type ReplayMaterial = {
  /** The packet's lines. */
  readonly lines: Uint8Array
  readonly policySet: PolicySet
  /** The state that the packet builds on; null where it builds on none. */
  readonly state: Uint8Array | null
}

export type Replay =
  /** Every stage makes what its quorum agreed on, from the state that `buildsOn` is said to have left; null for a first packet. */
  | { readonly kind: 'same'; readonly buildsOn: string | null }
  /** A quorum agreed on something else than the stage makes: what it certified is not what the policy says. */
  | { readonly kind: 'differs'; readonly stage: Stage; readonly agreed: string; readonly made: string }
  /** The material is not what the proof names. */
  | { readonly kind: 'impossible'; readonly fault: Fault }

/** Does the work of all stages on one packet again, and compares leaf by leaf with what was agreed. */
export function replayProof(text: string, material: ReplayMaterial): Replay {
  const evidence = evidenceOf(text)
  if (!evidence.ok) return { kind: 'impossible', fault: evidence.fault }
  const made = leavesMade(evidence.value, material)
  if (!made.ok) return { kind: 'impossible', fault: made.fault }
  const { trail, leaves } = evidence.value
  // The first stage that parts: those after it build on what it made.
  for (const stage of stages) {
    const agreed = leaves[trail.findIndex(({ facts }) => facts.stage === stage)] ?? ''
    if (agreed !== made.value[stage]) return { kind: 'differs', stage, agreed, made: made.value[stage] }
  }
  const { proof } = evidence.value
  const { previous, packetNo } = proof.packet.header
  const { parent } = proof.manifest.provenance.assay
  return { kind: 'same', buildsOn: packetNo === 0 ? null : (parent ?? previous) }
}

/** Whether this is the state that a packet builds on. */
export function checkState(stateIn: string | null, state: Uint8Array | null): Outcome<void> {
  return (state === null ? null : sha256Hex(state)) === stateIn
    ? accepted(undefined)
    : refused(
        'state-invalid',
        `the packet builds on the state ${stateIn ?? 'of nothing'}, and another one was given`,
      )
}

function evidenceOf(text: string): Outcome<PacketEvidence> {
  if (isPacketProof(text)) {
    const packet = readPacketProof(text)
    return packet.ok ? gatherPacketEvidence(packet.value) : packet
  }
  const proof = readProof(text)
  return proof.ok ? gatherEvidence(proof.value) : proof
}

function leavesMade(
  { proof, packetId }: PacketEvidence,
  { lines, policySet, state }: ReplayMaterial,
): Outcome<Readonly<Record<Stage, string>>> {
  const { header } = proof.packet
  const { parent: parentId, stateIn } = proof.manifest.provenance.assay
  const [versionId] = proof.manifest.lineage.parents
  const parent = parentId === null || versionId === undefined ? null : { packetId: parentId, versionId }
  const fits = checkState(stateIn, state)
  if (!fits.ok) return fits
  const normalized = normalizePacket(header, lines, policySet)
  if (!normalized.ok) return normalized
  const validated = validatePacket(header, normalized.value.bytes, policySet, { parent, state })
  if (!validated.ok) return validated
  const certified = certifyPacket(header, lines, policySet, { parent, stateIn }, validated.value)
  if (!certified.ok) return certified
  return accepted({
    normalize: outcomeLeaf(packetId, normalized.value.outputHash, normalized.value.stateOut),
    validate: outcomeLeaf(packetId, validated.value.outputHash, validated.value.stateOut),
    certify: certified.value.versionId,
  })
}
