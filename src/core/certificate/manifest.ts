import * as z from 'zod'
import { sha256Hex } from '#sha256'
import { bySchema } from '../schema.ts'
import {
  canonicalize,
  isObject,
  JSON_DEPTH_MAX,
  type Json,
  type JsonObject,
  parseJson,
  pointerToken,
} from '../canonical-json.ts'
import { accepted, type Outcome, refused } from '../fault.ts'
import { type Level, levels } from '../level.ts'
import { type PacketHeader, type PacketSource, packetId, type Totals } from '../log/packet-header.ts'
import { type DataClass, dataClasses } from '../policy/policy-set.ts'

export const MANIFEST_BYTES_MAX = 64 * 1024

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

/** What readers of any DLM1 manifest need, whichever of the two schemas in use it follows. */
export type DlmVersion = {
  readonly schema: 'A' | 'B'
  readonly versionId: string
  readonly datasetId: string
  readonly contentHash: string
  readonly parents: readonly string[]
  readonly producerKey: string | null
  readonly createdAt: string
  readonly manifest: JsonObject
}

export function readManifest(input: Uint8Array | string): Outcome<DlmVersion> {
  const json = parseJson(input, MANIFEST_BYTES_MAX)
  if (!json.ok) return json
  if (!isObject(json.value)) return refused('manifest-invalid', 'a manifest is a JSON object')
  const manifest = json.value
  const versionId = versionIdOf(manifest)
  if (!versionId.ok) return versionId

  const schema = manifest['type'] === undefined ? 'B' : 'A'
  const read = bySchema(
    schema === 'A' ? schemaA : schemaB,
    manifest,
    'manifest-invalid',
    `the manifest does not follow DLM1 schema ${schema}`,
  )
  if (!read.ok) return read
  const { datasetId, content, provenance, ...rest } = read.value
  const lineage = 'lineage' in rest ? (rest.lineage?.parents ?? []) : []
  const parents = 'parents' in rest ? (rest.parents ?? []) : []
  return accepted({
    schema,
    versionId: versionId.value,
    datasetId,
    contentHash: content.contentHash,
    parents: [...new Set([...lineage, ...parents])],
    producerKey:
      ('producer' in provenance ? provenance.producer?.identityKey : undefined) ?? provenance.issuer ?? null,
    createdAt: provenance.createdAt,
    manifest,
  })
}

/** A manifest of ours: closed, and one of its members missing or added makes it somebody else's. */
export function readCertifiedManifest(json: Json): Outcome<CertifiedManifest> {
  return bySchema(certified, json, 'manifest-invalid', 'the manifest is not that of a certified packet')
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

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'wanted 64 lower-case hex digits')
const identityKey = z
  .string()
  .regex(/^0[23][0-9a-f]{64}$/, 'wanted a compressed public key, 66 lower-case hex digits')
const rfc3339 = z.iso.datetime({ offset: true, error: 'wanted an RFC 3339 date and time' })
const count = z.int().min(0)

const schemaA = z.strictObject({
  type: z.literal('datasetVersionManifest'),
  datasetId: z.string().min(3),
  description: z.string().exactOptional(),
  versionId: hash.exactOptional(),
  content: z.looseObject({
    contentHash: hash,
    sizeBytes: count.exactOptional(),
    mimeType: z.string().exactOptional(),
  }),
  lineage: z.looseObject({ parents: z.array(hash).exactOptional() }).exactOptional(),
  provenance: z.looseObject({
    createdAt: rfc3339,
    issuer: identityKey.exactOptional(),
    producer: z.looseObject({ identityKey: identityKey.exactOptional() }).exactOptional(),
  }),
  policy: z.looseObject({ license: z.string(), classification: z.enum(dataClasses) }),
  signatures: z.unknown().exactOptional(),
})

const schemaB = z.strictObject({
  datasetId: z.string().min(1),
  description: z.string().exactOptional(),
  provenance: z.strictObject({ createdAt: rfc3339, issuer: identityKey }),
  policy: z
    .strictObject({ license: z.string().exactOptional(), classification: z.string().exactOptional() })
    .exactOptional(),
  content: z.strictObject({
    contentHash: hash,
    mediaType: z.string().exactOptional(),
    sizeBytes: count.exactOptional(),
    url: z.url().exactOptional(),
  }),
  parents: z.array(hash).exactOptional(),
  tags: z.array(z.string()).exactOptional(),
  versionId: hash.exactOptional(),
})

const certified = z.strictObject({
  type: z.literal('datasetVersionManifest'),
  datasetId: z.string().min(3),
  content: z.strictObject({ contentHash: hash, count, merkleRoot: hash }),
  lineage: z.strictObject({ parents: z.array(hash).max(1) }),
  policy: z.strictObject({ classification: z.enum(dataClasses), license: z.string() }),
  provenance: z.strictObject({
    assay: z.strictObject({
      inputRoot: hash,
      level: z.enum(levels),
      log: identityKey,
      outcome: z.strictObject({ lines: count, quarantined: count, fused: count, late: count }),
      packetId: hash,
      packetNo: count,
      parent: hash.nullable(),
      partition: count,
      policyDigest: hash,
      sources: z.array(
        z.strictObject({ sourceId: z.string(), authenticated: z.enum(['none', 'hmac', 'identity']) }),
      ),
      stateIn: hash.nullable(),
      stateOut: hash.nullable(),
      streamId: z.string(),
      totals: z.strictObject({
        received: count,
        accepted: count,
        duplicate: count,
        rejected: count,
        quarantined: count,
        waived: count,
      }),
    }),
    createdAt: rfc3339,
    producer: z.strictObject({ identityKey, name: z.string().exactOptional() }),
  }),
})
