import { fromUtf8 } from '../src/core/bytes.ts'
import { isObject, type JsonObject } from '../src/core/canonical-json.ts'
import { readAggregateManifest } from '../src/core/certificate/aggregate.ts'
import { MANIFEST_BYTES_MAX, readKnownManifest } from '../src/core/certificate/dlm-version.ts'
import { ROUND_PACKETS_MAX } from '../src/core/rounds/round.ts'
import type { ManifestPlace } from './certificates-index.ts'

/** What travels beside a transaction, as hosts hand it on: numbers or bytes. */
export type OffChainValues = ArrayLike<number>

/**
 * The manifests beside a certificate, by the version that each hashes to: one JSON text per line. What is no manifest
 * is passed over, as anybody may submit anything beside somebody's certificate. Read once for all its members.
 */
export function manifestsBeside(values: OffChainValues): ReadonlyMap<string, ManifestPlace> {
  const known = readBefore.get(values) ?? readAll(values)
  readBefore.set(values, known)
  return known
}

const readBefore = new WeakMap<OffChainValues, ReadonlyMap<string, ManifestPlace>>()

function readAll(values: OffChainValues): ReadonlyMap<string, ManifestPlace> {
  const found = new Map<string, ManifestPlace>()
  if (values.length > ROUND_PACKETS_MAX * MANIFEST_BYTES_MAX) return found
  const text = fromUtf8(values instanceof Uint8Array ? values : Uint8Array.from(values)) ?? ''
  for (const line of text.split('\n', ROUND_PACKETS_MAX)) {
    const read = readKnownManifest(line)
    if (read.ok) {
      const { versionId, contentHash, manifest, producerKey, createdAt, parents } = read.value
      found.set(versionId, {
        contentHash,
        ...placeOf(manifest),
        publisherKey: producerKey,
        createdMs: timeOf(createdAt),
        sourceIds: sourcesOf(manifest),
        parents,
      })
    }
  }
  return found
}

type Place = Pick<ManifestPlace, 'packetId' | 'streamId' | 'partition' | 'packetNo'>

/** As certificates of packets say it, and those of windows and rollups; a manifest of others may say anything there. */
function placeOf(manifest: JsonObject): Place {
  const aggregate = readAggregateManifest(manifest)
  if (aggregate.ok) {
    const { aggregateId: packetId, streamId, partition } = aggregate.value.provenance.assay
    return { packetId, streamId, partition, packetNo: null }
  }
  const { packetId, streamId, partition, packetNo } = assayIn(manifest)
  if (
    !isHash(packetId) ||
    !isName(streamId) ||
    !isCount(partition, PARTITION_MAX) ||
    !isCount(packetNo, Number.MAX_SAFE_INTEGER)
  )
    return { packetId: null, streamId: null, partition: null, packetNo: null }
  return { packetId, streamId, partition, packetNo }
}

function assayIn({ provenance }: JsonObject): JsonObject {
  const assay = isObject(provenance) ? provenance['assay'] : undefined
  return isObject(assay) ? assay : {}
}

function sourcesOf(manifest: JsonObject): string[] | null {
  const { sources } = assayIn(manifest)
  if (!Array.isArray(sources) || sources.length > SOURCES_MAX) return null
  const ids = sources.map(source => (isObject(source) ? source['sourceId'] : undefined))
  return ids.every(isName) ? ids : null
}

/** Of one packet; more are no manifest of ours. */
const SOURCES_MAX = 1024

function timeOf(text: string): number | null {
  const ms = Date.parse(text)
  return Number.isSafeInteger(ms) && ms >= 0 ? ms : null
}

const PARTITION_MAX = 0xffff

function isHash(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 256 && !value.includes('\0')
}

function isCount(value: unknown, max: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= max
}
