import { sha256Hex } from '#sha256'
import { fromUtf8, toHex } from '../bytes.ts'
import { canonicalJson } from '../canonical-json.ts'
import {
  type CertifiedManifest,
  type CertifiedOutput,
  certifiedManifest,
  versionIdOf,
} from '../certificate/manifest.ts'
import { qualityFlags } from '../event/quality-flags.ts'
import { accepted, type Outcome, refused } from '../fault.ts'
import { hashLines, openPacket } from '../log/packet.ts'
import type { PacketHeader } from '../log/packet-header.ts'
import { merkleRoot } from '../merkle.ts'
import type { PolicySet } from '../policy/policy-set.ts'
import type { ChainPlace } from '../rounds/coordinating/standing.ts'
import { writeTimestamp } from '../timestamp.ts'
import { checkPolicy, inLine, outputBounds, readOutputLine, type StageOutput } from './stage-output.ts'

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
  const events = openPacket(header, bytes)
  if (!events.ok) return events
  const output = certifiedOutput(header, validated)
  if (!output.ok) return output

  const createdMs =
    header.count === 0
      ? header.watermarkMs
      : events.value.reduce((latest, event) => Math.max(latest, event.ingestTimeMs), 0)
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
  const versionId = versionIdOf(manifest)
  if (!versionId.ok) return versionId
  return accepted({ manifest, manifestJson: canonicalJson(manifest), versionId: versionId.value })
}

function certifiedOutput(
  header: PacketHeader,
  { bytes, stateOut }: Pick<StageOutput, 'bytes' | 'stateOut'>,
): Outcome<CertifiedOutput> {
  const leaves = hashLines(bytes, outputBounds)
  if (!leaves.ok) return leaves
  const lines = fromUtf8(bytes)?.split('\n').slice(0, -1)
  if (lines === undefined || lines.length < header.count)
    return refused('event-unreadable', 'the output does not answer every line of the packet')

  let quarantined = 0
  let late = 0
  for (const [i, text] of lines.slice(0, header.count).entries()) {
    const line = readOutputLine(text, header.constants)
    if (!line.ok) return inLine(i, line)
    if (line.value.kind === 'quarantined') quarantined++
    else if ((line.value.event.qualityFlags & qualityFlags.LATE) !== 0) late++
  }
  return accepted({
    outputHash: sha256Hex(bytes),
    outputRoot: toHex(merkleRoot(leaves.value)),
    count: lines.length,
    stateOut,
    outcome: { lines: header.count, quarantined, fused: lines.length - header.count, late },
  })
}
