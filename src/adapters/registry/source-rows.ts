import type { Json, JsonObject } from '../../core/canonical-json.ts'
import type { Limits } from '../../core/registry/limits.ts'
import { readSource, type SourceInput } from '../../core/registry/read-source.ts'
import type { Source } from '../../core/registry/source.ts'
import type { Queryable } from '../postgres/sql.ts'

/**
 * The table has the columns that its seed gives it. `configuration` holds what they do not say, `mapping_policy` and
 * `validation_rules` the two halves of a policy; both empty is no policy, unless `configuration` says `emptyPolicy`.
 */
export type SourceRow = {
  readonly sourceId: string
  readonly name: string
  readonly type: string
  readonly configuration: JsonObject
  readonly mapping: JsonObject
  readonly rules: JsonObject
  readonly overlayTopics: readonly string[]
  readonly identityKey: string | null
  readonly enabled: boolean
  readonly offByOperator: boolean
  readonly limitsByOperator: Limits
  readonly trustScore: number
  readonly trustWeight: number
  readonly tenantId: string | null
  readonly lastActivityMs: number | null
  readonly version: string
}

const columns = `source_id as "sourceId", name, source_type as type, configuration, mapping_policy as mapping,
  validation_rules as rules, overlay_topics as "overlayTopics", identity_key as "identityKey", enabled,
  off_by_operator as "offByOperator", limits_by_operator as "limitsByOperator", trust_score as "trustScore", trust_weight as "trustWeight", tenant_id as "tenantId",
  floor(extract(epoch from last_activity_at) * 1000)::bigint as "lastActivityMs", xmin::text as version`

export async function sourceRows(db: Queryable, sourceIds: readonly string[]): Promise<SourceRow[]> {
  const { rows } = await db.query<SourceRow>({
    name: 'source-rows',
    text: `select ${columns} from overlay_event_sources where source_id = any($1)`,
    values: [sourceIds],
  })
  return rows
}

/** In the order of their ids; of one tenant where one is named. */
export async function sourceRowsFrom(
  db: Queryable,
  page: { readonly after: string; readonly limit: number; readonly tenantId?: string | undefined },
): Promise<SourceRow[]> {
  const { rows } = await db.query<SourceRow>({
    text: `select ${columns} from overlay_event_sources
      where source_id > $1 collate "C" and ($2::text is null or tenant_id = $2)
      order by source_id collate "C" limit $3`,
    values: [page.after, page.tenantId ?? null, page.limit],
  })
  return rows
}

/** Those of one publisher, in the order of their ids. */
export async function sourceRowsOf(
  db: Queryable,
  page: { readonly identityKey: string; readonly after: string; readonly limit: number },
): Promise<SourceRow[]> {
  const { rows } = await db.query<SourceRow>({
    name: 'source-rows-of',
    text: `select ${columns} from overlay_event_sources where identity_key = $1 and source_id > $2 collate "C"
      order by source_id collate "C" limit $3`,
    values: [page.identityKey, page.after, page.limit],
  })
  return rows
}

/** Those that write to a stream. A row that somebody else has written may name no streams: it has one of its name. */
export async function writerRows(db: Queryable, streamId: string): Promise<SourceRow[]> {
  const { rows } = await db.query<SourceRow>({
    text: `select ${columns} from overlay_event_sources
      where coalesce(configuration -> 'streams', to_jsonb(array[source_id])) @> to_jsonb(array[$1::text])
      order by source_id collate "C"`,
    values: [streamId],
  })
  return rows
}

/** Without its policy, which nobody needs per event, and which takes long to read. */
export function sourceOf(row: SourceRow): Source {
  return readRow(row.sourceId, documentOf(row))
}

export function registeredSource(row: SourceRow): SourceInput {
  const policy = policyOf(row)
  return readRow(row.sourceId, { ...documentOf(row), ...(policy !== undefined && { policy }) })
}

/** In canonical form; undefined where the source has none of its own. */
export function policyOf({ mapping, rules, configuration }: SourceRow): Json | undefined {
  const policy = { ...mapping, ...rules }
  return Object.keys(policy).length > 0 || configuration['emptyPolicy'] === true ? policy : undefined
}

export async function writeSource(db: Queryable, source: SourceInput, atMs: number): Promise<void> {
  const { sourceId, name, type, enabled, tenantId, identityKey, overlayTopics, trustWeight, trustScore } =
    source
  const { policy, ...rest } = source
  const { rules, ...mapping } = policy ?? {}
  const isEmpty = policy !== undefined && Object.keys(policy).length === 0
  const configuration = Object.fromEntries(
    Object.entries(rest).filter(([member]) => !inColumns.has(member as keyof Source)),
  )
  await db.query({
    text: `insert into overlay_event_sources (source_id, name, source_type, configuration, mapping_policy,
        validation_rules, overlay_topics, identity_key, enabled, trust_score, trust_weight, tenant_id, created_at,
        updated_at)
      values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, to_timestamp($13 / 1000.0), to_timestamp($13 / 1000.0))
      on conflict (source_id) do update set name = excluded.name, source_type = excluded.source_type,
        configuration = excluded.configuration, mapping_policy = excluded.mapping_policy,
        validation_rules = excluded.validation_rules, overlay_topics = excluded.overlay_topics,
        identity_key = excluded.identity_key, enabled = excluded.enabled, trust_score = excluded.trust_score,
        trust_weight = excluded.trust_weight, tenant_id = excluded.tenant_id, updated_at = excluded.updated_at`,
    values: [
      sourceId,
      name,
      type,
      JSON.stringify({ ...configuration, ...(isEmpty && { emptyPolicy: true }) }),
      JSON.stringify(mapping),
      JSON.stringify(rules === undefined ? {} : { rules }),
      overlayTopics,
      identityKey ?? null,
      enabled,
      trustScore,
      trustWeight,
      tenantId ?? null,
      atMs,
    ],
  })
}

const inColumns: ReadonlySet<keyof Source> = new Set([
  'sourceId',
  'name',
  'type',
  'enabled',
  'tenantId',
  'identityKey',
  'overlayTopics',
  'trustWeight',
  'trustScore',
])

function documentOf(row: SourceRow): JsonObject {
  const { emptyPolicy, ...configuration } = row.configuration
  return {
    ...configuration,
    sourceId: row.sourceId,
    name: row.name,
    type: row.type,
    enabled: row.enabled,
    overlayTopics: row.overlayTopics,
    trustWeight: row.trustWeight,
    trustScore: row.trustScore,
    ...(row.tenantId !== null && { tenantId: row.tenantId }),
    ...(row.identityKey !== null && { identityKey: row.identityKey }),
  }
}

function readRow(sourceId: string, document: Json): SourceInput {
  const read = readSource(document)
  if (read.ok) return read.value
  const { detail, pointer = '' } = read.fault
  throw new Error(
    `the row of source ${sourceId} in overlay_event_sources cannot be read: ${pointer || 'it'}: ${detail}. Put the source again: \`assay sources put\`.`,
  )
}
