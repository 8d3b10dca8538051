import { sha256Hex } from '#sha256'
import { canonicalize, JSON_DEPTH_MAX, type Json, type JsonObject, pointerToken } from '../canonical-json.ts'
import {
  and,
  closedObject,
  closedReader,
  count,
  hex,
  identityKey,
  integer,
  listOf,
  type Misfit,
  misfit,
  oneOf,
  orNull,
  text,
  withoutZeroCharacter,
} from '../closed-object.ts'
import { NAME_CHARS_MAX } from '../event/read-envelope.ts'
import { accepted, type Outcome, refused } from '../fault.ts'
import { type Level, levels } from '../level.ts'
import {
  PARTITIONS_MAX,
  type PacketHeader,
  type PacketSource,
  packetId,
  sourcesCheck,
  type Totals,
  totalsCheck,
} from '../log/packet-header.ts'
import { type DataClass, dataClasses } from '../policy/policy-set.ts'

/**
 * What a certificate commits to: a DLM1 dataset version. Every member follows from the packet, the round
 * document, the policy set and the agreed output, and none from who answered or when, so that every honest
 * certifier arrives at the same bytes.
 */
export type CertifiedManifest = {
  readonly type: 'datasetVersionManifest'
  readonly datasetId: string
  readonly content: { readonly contentHash: string; readonly count: number; readonly merkleRoot: string }
  readonly lineage: { readonly parents: readonly string[] }
  readonly policy: { readonly classification: DataClass; readonly license: string }
  readonly provenance: {
    readonly assay: AssayProvenance
    readonly createdAt: string
    readonly producer: { readonly identityKey: string; readonly name?: string }
  }
}

export type AssayProvenance = {
  readonly inputRoot: string
  readonly level: Level
  readonly log: string
  readonly outcome: OutcomeCounts
  readonly packetId: string
  readonly packetNo: number
  /** packetId of the packet that `stateIn` comes from. */
  readonly parent: string | null
  readonly partition: number
  readonly policyDigest: string
  readonly sources: readonly PacketSource[]
  readonly stateIn: string | null
  readonly stateOut: string | null
  readonly streamId: string
  readonly totals: Totals
}

export type OutcomeCounts = {
  readonly lines: number
  readonly quarantined: number
  readonly fused: number
  readonly late: number
}

/** The agreed output of the last working stage, as a certificate names it. */
export type CertifiedOutput = {
  readonly outputHash: string
  /** RFC 6962 root over the output's lines. */
  readonly outputRoot: string
  readonly count: number
  readonly stateOut: string | null
  readonly outcome: OutcomeCounts
}

export function certifiedManifest(facts: {
  readonly header: PacketHeader
  readonly parent: { readonly packetId: string; readonly versionId: string } | null
  readonly stateIn: string | null
  readonly output: CertifiedOutput
  /** Greatest ingestTimeMs of the packet; an empty packet has its watermark. */
  readonly createdMs: number
  readonly owner?: { readonly identityKey: string; readonly name?: string }
  readonly license: string
  readonly classification: DataClass
}): CertifiedManifest {
  const { header, parent, output, owner } = facts
  return {
    type: 'datasetVersionManifest',
    datasetId: `${header.log}/${header.streamId}`,
    content: { contentHash: output.outputHash, count: output.count, merkleRoot: output.outputRoot },
    lineage: { parents: parent === null ? [] : [parent.versionId] },
    policy: { classification: facts.classification, license: facts.license },
    provenance: {
      assay: {
        inputRoot: header.root,
        level: header.level,
        log: header.log,
        outcome: output.outcome,
        packetId: packetId(header),
        packetNo: header.packetNo,
        parent: parent?.packetId ?? null,
        partition: header.partition,
        policyDigest: header.policyDigest,
        sources: header.sources,
        stateIn: facts.stateIn,
        stateOut: output.stateOut,
        streamId: header.streamId,
        totals: header.totals,
      },
      createdAt: new Date(facts.createdMs).toISOString(),
      producer: owner ?? { identityKey: header.log },
    },
  }
}

/**
 * The id of a version is the SHA-256 of its canonical manifest without the top-level members `versionId` and
 * `signatures`. Deeper down those names are refused: readers of the format drop them at any depth, so what
 * stood there would be signed by nobody.
 */
export function versionIdOf(manifest: JsonObject): Outcome<string> {
  const { versionId: stated, signatures: _unsigned, ...committed } = manifest
  const hidden = uncommittedMember(committed, '', 0)
  if (hidden !== undefined)
    return refused('manifest-invalid', 'this member would not be covered by the versionId; rename it', hidden)
  const canonical = canonicalize(committed)
  if (!canonical.ok) return canonical
  const versionId = sha256Hex(canonical.value)
  if (stated !== undefined && stated !== versionId)
    return refused(
      'manifest-invalid',
      `the manifest hashes to ${versionId}, not to the versionId it states`,
      '/versionId',
    )
  return accepted(versionId)
}

/** A manifest of ours: closed, and one of its members missing or added makes it somebody else's. */
export function readCertifiedManifest(json: Json): Outcome<CertifiedManifest> {
  return readCertified(json)
}

function uncommittedMember(json: Json, pointer: string, depth: number): string | undefined {
  // Deeper nesting is refused by the canonical form itself.
  if (typeof json !== 'object' || json === null || depth > JSON_DEPTH_MAX) return undefined
  for (const [key, inner] of Object.entries(json)) {
    const inside = pointer + pointerToken(key)
    if (depth > 0 && (key === 'versionId' || key === 'signatures') && !Array.isArray(json)) return inside
    const found = uncommittedMember(inner, inside, depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}

const manifestShape = closedObject<CertifiedManifest>(
  {
    type: oneOf(['datasetVersionManifest']),
    datasetId: text(2 * NAME_CHARS_MAX),
    content: closedObject<CertifiedManifest['content']>(
      { contentHash: hex(32), count, merkleRoot: hex(32) },
      {},
    ),
    lineage: closedObject<CertifiedManifest['lineage']>({ parents: listOf(hex(32), 1) }, {}),
    policy: closedObject<CertifiedManifest['policy']>(
      { classification: oneOf(dataClasses), license: text(NAME_CHARS_MAX) },
      {},
    ),
    provenance: closedObject<CertifiedManifest['provenance']>(
      {
        assay: closedObject<AssayProvenance>(
          {
            inputRoot: hex(32),
            level: oneOf(levels),
            log: identityKey,
            outcome: closedObject<OutcomeCounts>(
              { lines: count, quarantined: count, fused: count, late: count },
              {},
            ),
            packetId: hex(32),
            packetNo: count,
            parent: orNull(hex(32)),
            partition: integer(0, PARTITIONS_MAX - 1),
            policyDigest: hex(32),
            sources: sourcesCheck,
            stateIn: orNull(hex(32)),
            stateOut: orNull(hex(32)),
            streamId: text(NAME_CHARS_MAX),
            totals: totalsCheck,
          },
          {},
        ),
        createdAt: isInstant,
        producer: closedObject<CertifiedManifest['provenance']['producer']>(
          { identityKey },
          { name: text(NAME_CHARS_MAX) },
        ),
      },
      {},
    ),
  },
  {},
)

/** Of several spellings of a time the one that `toISOString` writes, with a year of four digits, not before 1970. */
export function isInstant(value: Json): Misfit | undefined {
  const ms = typeof value === 'string' && value.length === 24 ? Date.parse(value) : Number.NaN
  return ms >= 0 && new Date(ms).toISOString() === value ? undefined : notInstant
}
const notInstant = misfit('a time such as 2026-01-02T03:04:05.678Z, from 1970 on')

function contradictionIn({ lineage, provenance: { assay } }: CertifiedManifest): Misfit | undefined {
  const { outcome, parent, stateIn } = assay
  const under = '/provenance/assay'
  if ((parent === null) !== (lineage.parents.length === 0))
    return misfit('null without a parent version, and only then', `${under}/parent`)
  if (parent === null && stateIn !== null) return misfit('null without a parent', `${under}/stateIn`)
  if (outcome.quarantined + outcome.late > outcome.lines)
    return misfit('such that each line is counted once', `${under}/outcome`)
  return undefined
}

const readCertified = closedReader<CertifiedManifest>(
  'manifest of a certified packet',
  'manifest-invalid',
  and(and(withoutZeroCharacter, manifestShape), contradictionIn),
)
