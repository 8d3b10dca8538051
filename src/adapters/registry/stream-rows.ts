import type { JsonObject } from '../../core/canonical-json.ts'
import { canonicalJson, parseJson } from '../../core/canonical-json.ts'
import { type Outcome, orThrow } from '../../core/fault.ts'
import { type PolicySet, policyDigest } from '../../core/policy/policy-set.ts'
import { readPolicySet } from '../../core/policy/read-policy-set.ts'
import type { Limits } from '../../core/registry/limits.ts'
import { readStream, type StreamInput } from '../../core/registry/read-stream.ts'
import type { Stream } from '../../core/registry/stream.ts'
import { unseal } from '../keys/seal.ts'
import { bytea, byteas, hexOf, type Queryable } from '../postgres/sql.ts'

export type StreamRow = {
  readonly streamId: string
  readonly audience: string
  readonly level: string
  readonly shardsBy: string
  readonly shardsCount: number
  readonly domain: string
  readonly partitionKey: string | null
  readonly policyDigest: Uint8Array
  readonly policyNo: number
  readonly operators: readonly string[]
  readonly topics: readonly string[]
  readonly tenantId: string | null
  readonly ownerKey: string | null
  readonly openTags: readonly string[]
  readonly latenessMs: number
  readonly published: boolean
  readonly offByOperator: boolean
  readonly limitsByOperator: Limits
  readonly limits: JsonObject
  readonly readers: readonly string[]
  readonly aggregate: JsonObject | null
  readonly search: JsonObject | null
  readonly blindKey: Uint8Array | null
  /** Where its policy follows settings and its sources: what the settings said. */
  readonly defaults: string | null
  readonly version: string
}

const columns = `stream_id as "streamId", audience, level, shards_by as "shardsBy", shards_count as "shardsCount",
  domain, partition_key as "partitionKey", policy_digest as "policyDigest", policy_no as "policyNo", operators, topics,
  tenant_id as "tenantId", owner_key as "ownerKey", open_tags as "openTags", lateness_ms as "latenessMs", published, off_by_operator as "offByOperator",
  limits_by_operator as "limitsByOperator", limits, readers, aggregate, search,
  blind_key as "blindKey", (select settings from default_policies as d where d.stream_id = streams.stream_id) as defaults,
  xmin::text as version`

export async function streamRows(db: Queryable, streamIds: readonly string[]): Promise<StreamRow[]> {
  const { rows } = await db.query<StreamRow>({
    name: 'stream-rows',
    text: `select ${columns} from streams where stream_id = any($1)`,
    values: [streamIds],
  })
  return rows
}

/** In the order of their ids; of one tenant where one is named. */
export async function streamRowsFrom(
  db: Queryable,
  page: { readonly after: string; readonly limit: number; readonly tenantId?: string | undefined },
): Promise<StreamRow[]> {
  const { rows } = await db.query<StreamRow>({
    text: `select ${columns} from streams where stream_id > $1 collate "C" and ($2::text is null or tenant_id = $2)
      order by stream_id collate "C" limit $3`,
    values: [page.after, page.tenantId ?? null, page.limit],
  })
  return rows
}

/** Those that a publisher owns, and those of these names, in the order of their ids. */
export async function streamRowsOf(
  db: Queryable,
  page: {
    readonly ownerKey: string
    readonly streamIds: readonly string[]
    readonly after: string
    readonly limit: number
  },
): Promise<StreamRow[]> {
  const { rows } = await db.query<StreamRow>({
    name: 'stream-rows-of',
    text: `select ${columns} from streams where (owner_key = $1 or stream_id = any($2)) and stream_id > $3 collate "C"
      order by stream_id collate "C" limit $4`,
    values: [page.ownerKey, page.streamIds, page.after, page.limit],
  })
  return rows
}

/** All but the policy. */
export type StreamSettings = Omit<StreamInput, 'policy'>

export function settingsOf(row: StreamRow): StreamSettings {
  const { partitionKey, tenantId, ownerKey, aggregate, search } = row
  const read = readStream({
    streamId: row.streamId,
    audience: row.audience,
    level: row.level,
    shards: { by: row.shardsBy, count: row.shardsCount },
    domain: row.domain,
    operators: row.operators,
    topics: row.topics,
    openTags: row.openTags,
    latenessMs: row.latenessMs,
    published: row.published,
    limits: row.limits,
    readers: row.readers,
    ...(partitionKey !== null && { partitionKey }),
    ...(tenantId !== null && { tenantId }),
    ...(ownerKey !== null && { ownerKey }),
    ...(aggregate !== null && { aggregate }),
    ...(search !== null && { search }),
  })
  if (read.ok) return read.value
  const { detail, pointer = '' } = read.fault
  throw new Error(
    `the row of stream ${row.streamId} in streams cannot be read: ${pointer || 'it'}: ${detail}. Put the stream again: \`assay streams put\`.`,
  )
}

export function streamOf(row: StreamRow, policy: PolicySet, masterKey: Uint8Array): Stream {
  const stream: Stream = {
    ...settingsOf(row),
    policy,
    policyDigest: hexOf(row.policyDigest),
    policyNo: row.policyNo,
  }
  if (row.blindKey === null) return stream
  const blindKey = unseal(masterKey, blindKeyName(row.streamId), row.blindKey)
  if (blindKey !== undefined) return { ...stream, blindKey }
  throw new Error(
    `the key of the restricted stream ${row.streamId} was sealed with another master key. Set ASSAY_MASTER_KEY_FILE to the file of the node that made it (master.key in its ASSAY_DATA_DIR), or restore that file.`,
  )
}

export function blindKeyName(streamId: string): string {
  return `stream-blind-key/${streamId}`
}

/** By digest; a set that was ever in force stays. */
export async function policyTexts(db: Queryable, digests: readonly string[]): Promise<Map<string, string>> {
  const { rows } = await db.query<{ digest: Uint8Array; policy: string }>({
    name: 'policy-texts',
    text: 'select digest, policy from policy_sets where digest = any($1)',
    values: [byteas(digests)],
  })
  return new Map(rows.map(row => [hexOf(row.digest), row.policy]))
}

export async function policyOfRow(db: Queryable, row: StreamRow): Promise<PolicySet> {
  const digest = hexOf(row.policyDigest)
  const text = (await policyTexts(db, [digest])).get(digest)
  if (text === undefined) throw new Error(`policy set ${digest} is in force and not in policy_sets`)
  return orThrow(readPolicyText(text))
}

export function readPolicyText(text: string): Outcome<PolicySet> {
  const json = parseJson(text)
  return json.ok ? readPolicySet(json.value) : json
}

export async function writePolicy(db: Queryable, set: PolicySet, atMs: number): Promise<string> {
  const digest = policyDigest(set)
  await db.query({
    text: 'insert into policy_sets (digest, policy, created_ms) values ($1, $2, $3) on conflict do nothing',
    values: [bytea(digest), canonicalJson(set), atMs],
  })
  return digest
}
