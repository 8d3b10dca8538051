import { sha256Hex } from '#sha256'
import type { Audience } from '../audience.ts'
import { audiences } from '../audience.ts'
import { knownHex, toHex, u32be, u64be, utf8 } from '../bytes.ts'
import { canonicalJson, type Json, parseCanonicalJson } from '../canonical-json.ts'
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
  text,
  withoutZeroCharacter,
} from '../closed-object.ts'
import { digestHex } from '../digest.ts'
import { envelopeChecks, NAME_CHARS_MAX } from '../event/read-envelope.ts'
import { accepted, type Outcome, orThrow, refused } from '../fault.ts'
import { type Level, levels } from '../level.ts'
import { hashLines } from '../log/packet.ts'
import { PARTITIONS_MAX } from '../log/packet-header.ts'
import { merkleRoot } from '../merkle.ts'
import { type Network, networks } from '../network.ts'
import { type DataClass, dataClasses } from '../policy/policy-set.ts'
import { ANCHOR_PARENTS_MAX } from './anchor.ts'
import { type CertifiedManifest, isInstant, versionIdOf } from './manifest.ts'

/**
 * A statement over packets that are certified already, as agents are given it: which of a range have a version, and
 * which have none. Everything in it they can check against the manifests that it names. It never certifies events.
 */
export type AggregateDocument = AggregateRange & {
  readonly v: 1
  readonly kind: AggregateKind
  readonly level: Level
  readonly audience: Audience
  readonly network: Network
  /** Certified when it was made, ascending. */
  readonly parents: readonly AggregateParent[]
  /** The rest of the range, ascending. */
  readonly gaps: readonly number[]
  /** The greatest of its parents. */
  readonly createdAt: string
  readonly policy: AggregatePolicy
}

/** A window covers a span of event time, a rollup several windows. */
export const aggregateKinds = ['window', 'rollup'] as const
export type AggregateKind = (typeof aggregateKinds)[number]

export type AggregateRange = {
  readonly log: string
  readonly streamId: string
  readonly partition: number
  readonly firstPacketNo: number
  readonly lastPacketNo: number
}

export type AggregateParent = { readonly packetNo: number; readonly versionId: string }

/** Of the last of its parents. */
export type AggregatePolicy = {
  readonly license: string
  readonly classification: DataClass
  readonly owner?: { readonly identityKey: string; readonly name?: string }
}

/** Each is one of the anchor's parents, so a longer range is cut into several. */
export const AGGREGATE_PACKETS_MAX = ANCHOR_PARENTS_MAX
export const AGGREGATE_DOC_BYTES_MAX = 64 * 1024

/** In the place of a roundId, and of a packetId in its certificate. */
export function aggregateId(range: AggregateRange): string {
  return digestHex(
    'assay:aggregate:1',
    knownHex(range.log),
    range.streamId,
    u32be(range.partition),
    u64be(range.firstPacketNo),
    u64be(range.lastPacketNo),
  )
}

/** Canonical; its SHA-256 is the job's inputHash. */
export function writeAggregateDocument(document: AggregateDocument): string {
  return canonicalJson(document)
}

export function readAggregateDocument(source: string): Outcome<AggregateDocument> {
  const json = parseCanonicalJson(source, AGGREGATE_DOC_BYTES_MAX)
  return json.ok ? read(json.value) : json
}

export type AggregateManifest = Omit<CertifiedManifest, 'provenance'> & {
  readonly provenance: {
    readonly assay: AggregateProvenance
    readonly createdAt: string
    readonly producer: CertifiedManifest['provenance']['producer']
  }
}

export type AggregateProvenance = AggregateRange & {
  readonly aggregateId: string
  readonly kind: AggregateKind
  readonly level: Level
  readonly gaps: readonly number[]
}

export type CertifiedAggregate = {
  readonly manifest: AggregateManifest
  /** Canonical JSON: what is hashed, stored and published. */
  readonly manifestJson: string
  readonly versionId: string
  /** What its contentHash names: a canonical line per parent. */
  readonly content: Uint8Array
}

/** The certify stage of a statement that was found true. */
export function certifyAggregate(document: AggregateDocument): Outcome<CertifiedAggregate> {
  const { log, streamId, partition, firstPacketNo, lastPacketNo, kind, level, gaps, policy } = document
  const content = utf8(document.parents.map(parent => `${canonicalJson(parent)}\n`).join(''))
  const leaves = orThrow(hashLines(content, { linesMax: AGGREGATE_PACKETS_MAX, bytesMax: content.length }))
  const range = { log, streamId, partition, firstPacketNo, lastPacketNo }
  const manifest: AggregateManifest = {
    type: 'datasetVersionManifest',
    datasetId: `${log}/${streamId}`,
    content: {
      contentHash: sha256Hex(content),
      count: document.parents.length,
      merkleRoot: toHex(merkleRoot(leaves)),
    },
    lineage: { parents: document.parents.map(({ versionId }) => versionId) },
    policy: { classification: policy.classification, license: policy.license },
    provenance: {
      assay: { ...range, aggregateId: aggregateId(range), kind, level, gaps },
      createdAt: document.createdAt,
      producer: policy.owner ?? { identityKey: log },
    },
  }
  const versionId = versionIdOf(manifest)
  if (!versionId.ok) return versionId
  return accepted({ manifest, manifestJson: canonicalJson(manifest), versionId: versionId.value, content })
}

/** Strict and closed, as the manifest of a packet is. */
export function readAggregateManifest(json: Json): Outcome<AggregateManifest> {
  return readManifestShape(json)
}

/**
 * Why a statement must not be certified by whoever holds the manifests of all its parents, in their order; undefined
 * where it says what they say. What they do not show, that each was
 * certified and that a gap is one, its coordinator answers for.
 */
export function againstAggregate(
  document: AggregateDocument,
  manifests: readonly CertifiedManifest[],
): Outcome<AggregateDocument> {
  const { log, streamId, partition, level } = document
  if (manifests.length !== document.parents.length)
    return unfit(`${manifests.length} manifests of ${document.parents.length} parents are here`)
  let [last, lastAt] = [manifests[0], '']
  for (const [i, parent] of document.parents.entries()) {
    const manifest = manifests[i]
    if (manifest === undefined) return unfit(`the manifest of parent ${i} is missing`)
    const versionId = versionIdOf(manifest)
    if (!versionId.ok) return versionId
    const { assay, createdAt } = manifest.provenance
    if (versionId.value !== parent.versionId) return unfit(`parent ${i} is another version`)
    if (assay.packetNo !== parent.packetNo) return unfit(`parent ${i} is packet ${assay.packetNo}`)
    if (assay.log !== log || assay.streamId !== streamId || assay.partition !== partition)
      return unfit(`parent ${i} is of another partition`)
    if (assay.level !== level) return unfit(`parent ${i} was certified at level ${assay.level}`)
    if (createdAt > lastAt) lastAt = createdAt
    last = manifest
  }
  if (lastAt !== document.createdAt) return unfit(`its parents were created until ${lastAt}`)
  if (last === undefined || canonicalJson(document.policy) !== canonicalJson(policyOfParent(last)))
    return unfit('its policy is not that of its last parent')
  return accepted(document)
}

/** Of its last parent, as that one's manifest says it: nothing else says it to agents. */
export function policyOfParent({
  policy,
  provenance: { assay, producer },
}: CertifiedManifest): AggregatePolicy {
  const { license, classification } = policy
  const isLog = producer.identityKey === assay.log && producer.name === undefined
  return { license, classification, ...(!isLog && { owner: producer }) }
}

function unfit(detail: string): Outcome<never> {
  return refused('manifest-invalid', `the statement does not fit its parents: ${detail}`)
}

const rangeChecks = {
  log: identityKey,
  streamId: envelopeChecks.streamId,
  partition: integer(0, PARTITIONS_MAX - 1),
  firstPacketNo: count,
  lastPacketNo: count,
}

const shape = closedObject<AggregateDocument>(
  {
    v: oneOf([1]),
    kind: oneOf(aggregateKinds),
    ...rangeChecks,
    level: oneOf(levels),
    audience: oneOf(audiences),
    network: oneOf(networks),
    parents: listOf(
      closedObject<AggregateParent>({ packetNo: count, versionId: hex(32) }, {}),
      AGGREGATE_PACKETS_MAX,
    ),
    gaps: listOf(count, AGGREGATE_PACKETS_MAX),
    createdAt: isInstant,
    policy: closedObject<AggregatePolicy>(
      { license: text(NAME_CHARS_MAX), classification: oneOf(dataClasses) },
      {
        owner: closedObject<NonNullable<AggregatePolicy['owner']>>(
          { identityKey },
          { name: text(NAME_CHARS_MAX) },
        ),
      },
    ),
  },
  {},
)

const read = closedReader<AggregateDocument>(
  'aggregate document',
  'round-invalid',
  and<AggregateDocument>(and(withoutZeroCharacter, shape), contradictionIn),
)

const manifestShape = closedObject<AggregateManifest>(
  {
    type: oneOf(['datasetVersionManifest']),
    datasetId: text(2 * NAME_CHARS_MAX),
    content: closedObject<AggregateManifest['content']>(
      { contentHash: hex(32), count, merkleRoot: hex(32) },
      {},
    ),
    lineage: closedObject<AggregateManifest['lineage']>(
      { parents: listOf(hex(32), AGGREGATE_PACKETS_MAX) },
      {},
    ),
    policy: closedObject<AggregateManifest['policy']>(
      { classification: oneOf(dataClasses), license: text(NAME_CHARS_MAX) },
      {},
    ),
    provenance: closedObject<AggregateManifest['provenance']>(
      {
        assay: closedObject<AggregateProvenance>(
          {
            ...rangeChecks,
            aggregateId: hex(32),
            kind: oneOf(aggregateKinds),
            level: oneOf(levels),
            gaps: listOf(count, AGGREGATE_PACKETS_MAX),
          },
          {},
        ),
        createdAt: isInstant,
        producer: closedObject<AggregateManifest['provenance']['producer']>(
          { identityKey },
          { name: text(NAME_CHARS_MAX) },
        ),
      },
      {},
    ),
  },
  {},
)

const readManifestShape = closedReader<AggregateManifest>(
  'manifest of an aggregate',
  'manifest-invalid',
  and(withoutZeroCharacter, manifestShape),
)

function contradictionIn({
  firstPacketNo,
  lastPacketNo,
  parents,
  gaps,
}: AggregateDocument): Misfit | undefined {
  if (parents.length === 0) return misfit('at least one', '/parents')
  const packetNos = parents.map(({ packetNo }) => packetNo)
  if (!ascends(packetNos)) return misfit('ascending by packetNo, each once', '/parents')
  if (!ascends(gaps)) return misfit('ascending, each once', '/gaps')
  const all = [...packetNos, ...gaps].sort((a, b) => a - b)
  const isRange = all.every((packetNo, i) => packetNo === firstPacketNo + i)
  return isRange && all.length === lastPacketNo - firstPacketNo + 1
    ? undefined
    : misfit('with the parents each packet from firstPacketNo to lastPacketNo, once', '/gaps')
}

function ascends(values: readonly number[]): boolean {
  return values.every((value, i) => i === 0 || value > (values[i - 1] ?? value))
}
