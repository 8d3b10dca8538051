import * as z from 'zod'
import { isObject, type JsonObject, parseJson } from '../canonical-json.ts'
import { TIME_CHARS_MAX } from '../event/event-time.ts'
import { NAME_CHARS_MAX } from '../event/read-envelope.ts'
import { accepted, type Outcome, refused } from '../fault.ts'
import { dataClasses } from '../policy/policy-set.ts'
import { bySchema } from '../schema.ts'
import { zeroCharacterIn } from '../zero-character.ts'
import { versionIdOf } from './manifest.ts'

/** Ours can be the longest: it lists up to 1,024 sources. */
export const MANIFEST_BYTES_MAX = 2 * 1024 * 1024

/** Versions are found by it, and an index holds no longer ones. Ours is a key and the name of a stream. */
const DATASET_ID_CHARS_MAX = 2 * NAME_CHARS_MAX

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

/** One that is not known yet: what a database cannot keep, or find, is no version here. */
export function readManifest(input: Uint8Array | string): Outcome<DlmVersion> {
  const read = readKnownManifest(input)
  if (!read.ok) return read
  const { manifest, datasetId, createdAt } = read.value
  const zero = zeroCharacterIn(manifest)
  if (zero !== undefined)
    return refused('manifest-invalid', 'the manifest holds the character U+0000 here; leave it out', zero)
  if (datasetId.length > DATASET_ID_CHARS_MAX)
    return refused(
      'manifest-invalid',
      `the datasetId may have at most ${DATASET_ID_CHARS_MAX} characters`,
      '/datasetId',
    )
  if (createdAt.length > TIME_CHARS_MAX)
    return refused(
      'manifest-invalid',
      `a time has at most ${TIME_CHARS_MAX} characters`,
      '/provenance/createdAt',
    )
  return read
}

/** One that was declared before, be it to a version of this program that bounded less. */
export function readKnownManifest(input: Uint8Array | string): Outcome<DlmVersion> {
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
