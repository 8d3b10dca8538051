import { sha256Hex } from '#sha256'
import { fromUtf8, toHex } from '../bytes.ts'
import { canonicalJson } from '../canonical-json.ts'
import {
  type CertifiedManifest,
  type CertifiedOutput,
  certifiedManifest,
  readCertifiedManifest,
  versionIdOf,
} from '../certificate/manifest.ts'
import { qualityFlags } from '../event/quality-flags.ts'
import { ingestTimeIn, isSetAside, qualityFlagsIn } from '../event/scan-line.ts'
import { accepted, type Outcome, refused } from '../fault.ts'
import { checkPacketBytes, hashLines } from '../log/packet.ts'
import type { PacketHeader } from '../log/packet-header.ts'
import { merkleRoot } from '../merkle.ts'
import type { PolicySet } from '../policy/policy-set.ts'
import type { ChainPlace } from '../rounds/coordinating/standing.ts'
import { writeTimestamp } from '../timestamp.ts'
import { checkPolicy, outputBounds, type StageOutput } from './stage-output.ts'

export type { ChainPlace }

export type CertifiedPacket = {
  readonly manifest: CertifiedManifest
  /** Canonical JSON: what is hashed, stored and published. */
  readonly manifestJson: string
  /** What a certifier votes for. */
  readonly versionId: string
}

/**
 * The certify stage of one packet: the manifest that commits to the packet and to the output that was agreed.
 * It confirms the level that the packet has and cannot change it.
 */
export function certifyPacket(
  header: PacketHeader,
  bytes: Uint8Array,
  policySet: PolicySet,
  place: ChainPlace,
  validated: Pick<StageOutput, 'bytes' | 'stateOut'>,
): Outcome<CertifiedPacket> {
  const named = checkPolicy(header, policySet)
  if (!named.ok) return named
  const created = createdAt(header, bytes)
  if (!created.ok) return created
  const output = certifiedOutput(header, validated)
  if (!output.ok) return output
  const createdMs = created.value
  if (writeTimestamp(createdMs) === undefined)
    return refused('manifest-invalid', 'the packet was made after the year 9999, which RFC 3339 cannot write')

  const manifest = certifiedManifest({
    header,
    ...place,
    output: output.value,
    createdMs,
    license: policySet.license,
    classification: policySet.classification,
    ...(policySet.owner === undefined ? {} : { owner: policySet.owner }),
  })
  // What whoever makes certificates would refuse costs the packets beside it their round.
  const read = readCertifiedManifest(manifest)
  if (!read.ok) return read
  const versionId = versionIdOf(manifest)
  if (!versionId.ok) return versionId
  return accepted({ manifest, manifestJson: canonicalJson(manifest), versionId: versionId.value })
}

/** Greatest ingest time; that the events are what the header says, normalise has seen to. */
function createdAt(header: PacketHeader, bytes: Uint8Array): Outcome<number> {
  const leaves = checkPacketBytes(header, bytes)
  if (!leaves.ok) return leaves
  if (header.count === 0) return accepted(header.watermarkMs)
  let latest = 0
  for (const [i, line] of (fromUtf8(bytes) ?? '').split('\n').slice(0, -1).entries()) {
    const ingestTimeMs = ingestTimeIn(line)
    if (ingestTimeMs === undefined) return unreadable(`line ${i} has no ingest time`)
    latest = Math.max(latest, ingestTimeMs)
  }
  return accepted(latest)
}

/** What a certificate names of an output. */
export function certifiedOutput(
  header: PacketHeader,
  { bytes, stateOut }: Pick<StageOutput, 'bytes' | 'stateOut'>,
): Outcome<CertifiedOutput> {
  const leaves = hashLines(bytes, outputBounds)
  if (!leaves.ok) return leaves
  const lines = fromUtf8(bytes)?.split('\n').slice(0, -1)
  if (lines === undefined || lines.length < header.count)
    return unreadable('the output does not answer every line of the packet')

  let quarantined = 0
  let late = 0
  for (let i = 0; i < header.count; i++) {
    const line = lines[i] ?? ''
    const flags = qualityFlagsIn(line)
    if (flags === undefined) return unreadable(`line ${i} of the output has no quality flags`)
    if (isSetAside(line)) quarantined++
    else if ((flags & qualityFlags.LATE) !== 0) late++
  }
  return accepted({
    outputHash: sha256Hex(bytes),
    outputRoot: toHex(merkleRoot(leaves.value)),
    count: lines.length,
    stateOut,
    outcome: { lines: header.count, quarantined, fused: lines.length - header.count, late },
  })
}

function unreadable(detail: string): Outcome<never> {
  return refused('event-unreadable', detail)
}
