import { canonicalJson, type Json } from '../../core/canonical-json.ts'
import type { CertifiedManifest } from '../../core/certificate/manifest.ts'
import { checkPacketBytes } from '../../core/log/packet.ts'
import type { PacketHeader } from '../../core/log/packet-header.ts'
import type { PolicySet } from '../../core/policy/policy-set.ts'
import { certifiedOutput, certifyPacket } from '../../core/work/certify-packet.ts'
import { eventIdsOf, linesOf, type Reference, whatHappened } from './compare-lines.ts'
import type { Flaw } from './findings.ts'

export type Certified = {
  readonly manifest: CertifiedManifest
  readonly versionId: string
  readonly policySet: PolicySet | undefined
  /** A sound copy of the lines, where another one is at hand. */
  readonly reference: Reference | undefined
}

/**
 * What the certificate says of lines and output, made again from both. Everything is hashed once where all is well; only
 * then it matters what exactly is not. Lines that are undefined are not there.
 */
export function checkContents(
  header: PacketHeader,
  lines: Uint8Array | undefined,
  output: Uint8Array,
  { manifest, versionId, policySet, reference }: Certified,
): readonly Flaw[] {
  const { parent: parentId, stateIn, stateOut } = manifest.provenance.assay
  const [parentVersion] = manifest.lineage.parents
  const parent =
    parentId === null || parentVersion === undefined ? null : { packetId: parentId, versionId: parentVersion }
  const made =
    lines === undefined || policySet === undefined
      ? undefined
      : certifyPacket(header, lines, policySet, { parent, stateIn }, { bytes: output, stateOut })
  if (lines !== undefined && made?.ok && made.value.versionId === versionId)
    return answersLines(header, lines, output)

  const flaws = [
    ...(lines === undefined
      ? []
      : checkLines('its lines', header, lines, reference ?? answeredIn(header, output))),
    ...checkOutput(header, output, lines, manifest),
  ]
  if (flaws.length > 0 || made === undefined) return flaws
  const detail = made.ok
    ? `its manifest has ${firstDifference(manifest, made.value.manifest)}, and packet and policy make something else`
    : `its manifest cannot be made again: ${made.fault.detail}`
  return [{ kind: 'forged-certificate', detail }]
}

/** Whether lines are those that the header names; `reference`: what tells what became of them. */
export function checkLines(
  what: string,
  header: PacketHeader,
  lines: Uint8Array,
  reference: Reference | undefined,
): readonly Flaw[] {
  return checkPacketBytes(header, lines).ok ? [] : [whatHappened(what, lines, header, reference)]
}

/** The events that an output answers, in their order. */
function answeredIn({ count }: PacketHeader, output: Uint8Array): Reference | undefined {
  const lines = linesOf(output)
  return lines === undefined || lines.length < count ? undefined : { eventIds: eventIdsOf(lines, count) }
}

/** Also where the lines are not at hand. */
function checkOutput(
  header: PacketHeader,
  output: Uint8Array,
  lines: Uint8Array | undefined,
  { content, provenance: { assay } }: CertifiedManifest,
): readonly Flaw[] {
  const named = certifiedOutput(header, { bytes: output, stateOut: assay.stateOut })
  if (!named.ok || named.value.outputHash !== content.contentHash) {
    const sealed = lines === undefined ? undefined : linesOf(lines)
    const reference = sealed && { eventIds: eventIdsOf(sealed) }
    return [
      whatHappened(
        'its certified output',
        output,
        { firstSeq: header.firstSeq, count: content.count },
        reference,
      ),
    ]
  }
  const { count, outcome, outputRoot } = named.value
  if (count !== content.count || canonicalJson(outcome) !== canonicalJson(assay.outcome))
    return [
      {
        kind: 'wrong-count',
        detail: `its manifest counts ${canonicalJson(assay.outcome)} in ${content.count} lines, and its output has ${canonicalJson(outcome)} in ${count}`,
      },
    ]
  return outputRoot === content.merkleRoot
    ? []
    : [{ kind: 'forged-certificate', detail: 'its manifest names another root than its output has' }]
}

/** Line i of the output answers line i of the packet. */
function answersLines({ firstSeq, count }: PacketHeader, lines: Uint8Array, output: Uint8Array): Flaw[] {
  const [sealed, answers] = [linesOf(lines) ?? [], linesOf(output) ?? []]
  const [asked, answered] = [eventIdsOf(sealed, count), eventIdsOf(answers, count)]
  const other = asked.findIndex((eventId, i) => eventId !== answered[i])
  return other < 0
    ? []
    : [
        {
          kind: 'reorder',
          seq: firstSeq + other,
          detail: `its certified output answers event ${answered[other]} here, and ${asked[other]} was sealed here`,
        },
      ]
}

function firstDifference(said: CertifiedManifest, made: CertifiedManifest): string {
  const differs = (a: Json, b: Json) => canonicalJson(a) !== canonicalJson(b)
  if (differs(said.policy, made.policy)) return `policy ${canonicalJson(said.policy)}`
  if (differs(said.provenance.producer, made.provenance.producer))
    return `producer ${canonicalJson(said.provenance.producer)}`
  if (said.provenance.createdAt !== made.provenance.createdAt) return `createdAt ${said.provenance.createdAt}`
  return 'members that differ'
}
