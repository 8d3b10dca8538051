import { randomBytes } from 'node:crypto'
import { canonicalJson, isObject, type JsonObject, parseCanonicalJson } from '../../core/canonical-json.ts'
import { accepted, type Outcome, orThrow, type Refusal, refused } from '../../core/fault.ts'
import { type PolicySet, policyDigest } from '../../core/policy/policy-set.ts'
import { policyUnfit, type StreamInput } from '../../core/registry/read-stream.ts'
import type { Stream } from '../../core/registry/stream.ts'
import {
  defaultPolicy,
  defaultsText,
  type PolicyDefaults,
  type Writer,
  withWriters,
} from '../../core/registry/stream-policy.ts'
import { seal } from '../keys/seal.ts'
import { bytea } from '../postgres/sql.ts'
import { type ChangeDeps, type Changing, cannot, changing, type Put } from './changing.ts'
import { noteOperatorsWord } from './operators-word.ts'
import { putSearchFields } from './put-search-fields.ts'
import { recordChange } from './record-change.ts'
import { policyOf, type SourceRow, writerRows } from './source-rows.ts'
import {
  blindKeyName,
  policyOfRow,
  type StreamRow,
  type StreamSettings,
  settingsOf,
  streamOf,
  streamRows,
  writePolicy,
} from './stream-rows.ts'

/** Makes the stream, or makes it what is given. One without a policy has that of the settings and of its sources. */
export function putStream(deps: ChangeDeps, stream: StreamInput, who: string): Promise<Outcome<Put<Stream>>> {
  return changing(deps, who, change => putStreamIn(change, stream))
}

export async function putStreamIn(change: Changing, stream: StreamInput): Promise<Outcome<Put<Stream>>> {
  const { policy: given, ...settings } = stream
  const [before] = await streamRows(change.db, [stream.streamId])
  const rows = await writerRows(change.db, stream.streamId)
  const writers = rows.map(asWriter)
  const unfit =
    fixedUnfit(settings, before) ??
    unlistedUnfit(settings, before, change.operators) ??
    tenantUnfit(settings, rows) ??
    contradiction(given, writers)
  if (unfit !== undefined) return unfit
  if (given !== undefined) {
    const policy = withWriters(given, writers)
    return policy.ok
      ? store(change, before, { settings, policy: policy.value, isPut: true })
      : inPolicy(policy)
  }
  const defaults = defaultsOf(change, before)
  const policy = defaultPolicy(stream.audience, writers, defaults)
  return policy.ok
    ? store(change, before, { settings, policy: policy.value, defaults, isPut: true })
    : inPolicy(policy)
}

/** A policy by default stays as the settings were when it was made: who changes something else may have other ones. */
function defaultsOf({ defaults }: Changing, before: StreamRow | undefined): PolicyDefaults {
  return typeof before?.defaults === 'string' ? readDefaults(before.defaults) : defaults
}

function readDefaults(text: string): PolicyDefaults {
  const json = orThrow(parseCanonicalJson(text))
  if (!isObject(json)) throw new Error('a row of default_policies does not hold an object')
  const { normalize, fusion } = json
  return { normalize, ...(isObject(fusion) && { fusion }) }
}

function fixedUnfit({ audience }: StreamSettings, before: StreamRow | undefined): Refusal | undefined {
  if (before === undefined || before.audience === audience) return undefined
  return cannot(
    `this stream was created ${before.audience}, and what was promised then holds for what is in it; make another stream`,
    '/audience',
  )
}

/** Its packets would wait for good. What was named before the node's list changed is not for whoever changes something else. */
function unlistedUnfit(
  { operators }: StreamSettings,
  before: StreamRow | undefined,
  listed: readonly string[],
): Refusal | undefined {
  if (listed.length === 0) return undefined
  const unlisted = operators.filter(key => !listed.includes(key) && before?.operators.includes(key) !== true)
  if (unlisted.length === 0) return undefined
  return cannot(
    `this node asks no agents of ${unlisted.join(', ')}: list them in its setting EVENT_OPERATORS and start it again, or name operators that are listed there`,
    '/operators',
  )
}

function tenantUnfit({ tenantId }: StreamSettings, rows: readonly SourceRow[]): Refusal | undefined {
  const stranger = rows.find(row => row.tenantId !== (tenantId ?? null))
  return (
    stranger &&
    cannot(
      `source ${stranger.sourceId} writes to it and is not of this tenant; move one of the two`,
      '/tenantId',
    )
  )
}

/** Two policies for one source would be settled by whoever came last. */
function contradiction(given: PolicySet | undefined, writers: readonly Writer[]): Refusal | undefined {
  const twice = writers.find(({ sourceId, policy }) => {
    const said = given !== undefined && Object.hasOwn(given.sources, sourceId) && given.sources[sourceId]
    return policy !== undefined && said && canonicalJson(said) !== canonicalJson(policy)
  })
  return (
    twice &&
    cannot(
      `source ${twice.sourceId} has a policy of its own, which is another one; change it there, or leave it out here`,
      '/policy/sources',
    )
  )
}

/** Makes a stream as streams are by default, where there is none of this name. */
export async function ensureStreamIn(
  change: Changing,
  stream: StreamInput,
): Promise<Outcome<Put<Stream> | undefined>> {
  const [before] = await streamRows(change.db, [stream.streamId])
  return before === undefined ? putStreamIn(change, stream) : accepted(undefined)
}

/** Its policy, with what its sources say by now. `left` have no policy of their own in it any more. */
export async function followSources(
  change: Changing,
  streamId: string,
  left: readonly string[],
  defaults?: PolicyDefaults,
): Promise<Outcome<Put<Stream>>> {
  const [before] = await streamRows(change.db, [streamId])
  if (before === undefined) return cannot(`there is no stream ${streamId}`)
  const settings = settingsOf(before)
  const rows = await writerRows(change.db, streamId)
  const stranger = tenantUnfit(settings, rows)
  if (stranger !== undefined)
    return cannot(`stream ${streamId} is of another tenant; choose another name`, '/streams')
  const writers = rows.map(asWriter)
  const used = before.defaults === null ? undefined : (defaults ?? defaultsOf(change, before))
  const policy =
    used === undefined
      ? withWriters(await policyOfRow(change.db, before), writers, left)
      : defaultPolicy(settings.audience, writers, used)
  if (!policy.ok) return inStream(policy, streamId)
  const next = { settings, policy: policy.value, ...(used !== undefined && { defaults: used }) }
  const stored = await store(change, before, next)
  return stored.ok ? stored : inStream(stored, streamId)
}

export function asWriter(row: SourceRow): Writer {
  const policy = policyOf(row)
  return { sourceId: row.sourceId, trustWeight: row.trustWeight, ...(policy !== undefined && { policy }) }
}

type Next = {
  readonly settings: StreamSettings
  readonly policy: PolicySet
  /** What the policy was made from, where nobody has given it. */
  readonly defaults?: PolicyDefaults
  /** Whoever changes it says whether it is published, and how much it takes, too. */
  readonly isPut?: boolean
}

async function store(
  change: Changing,
  before: StreamRow | undefined,
  { settings, policy, defaults, isPut = false }: Next,
): Promise<Outcome<Put<Stream>>> {
  const unfit = policyUnfit(policy, settings)
  if (unfit !== undefined) return inPolicy(unfit)
  const { db, by, masterKey } = change
  const { streamId } = settings
  const was = before && statement(settingsOf(before), await policyOfRow(db, before), before.defaults !== null)
  const became = statement(settings, policy, defaults !== undefined)
  const isSame = was !== undefined && canonicalJson(was) === canonicalJson(became)
  if (!isSame) {
    await writePolicy(db, policy, by.atMs)
    await writeStream(change, settings, policyDigest(policy))
  }
  await markDefault(change, streamId, defaults)
  const { published: isOn, limits } = settings
  const word = isPut ? await noteOperatorsWord(change, 'stream', streamId, { isOn, limits }) : undefined
  const isNothing = isSame && word === undefined
  const did = before === undefined ? 'created' : 'changed'
  if (!isNothing) {
    const sides = { became: { ...became, ...word }, ...(was !== undefined && { was }) }
    await recordChange(db, { kind: 'stream', subject: streamId, what: did, ...sides }, by)
  }
  const [after] = await streamRows(db, [streamId])
  if (after === undefined) throw new Error(`stream ${streamId} was stored and is not there`)
  return accepted({ did: isNothing ? 'nothing' : did, value: streamOf(after, policy, masterKey) })
}

/** What is recorded of a stream; its policy can be had by the digest for good. */
function statement(settings: StreamSettings, policy: PolicySet, isDefault: boolean): JsonObject {
  return { ...settings, policyDigest: policyDigest(policy), policyByDefault: isDefault }
}

async function writeStream(
  { db, by, masterKey }: Changing,
  stream: StreamSettings,
  digest: string,
): Promise<void> {
  const { streamId, audience } = stream
  const blindKey =
    audience === 'restricted'
      ? seal(masterKey, blindKeyName(streamId), Uint8Array.from(randomBytes(32)))
      : null
  await db.query({
    // Audience and blind key stay as they were at the first time.
    text: `insert into streams as stored (stream_id, audience, level, shards_by, shards_count, domain, partition_key,
        policy_digest, operators, topics, tenant_id, open_tags, lateness_ms, published, limits, readers, blind_key,
        created_ms, updated_ms, aggregate, search, owner_key)
      values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $18, $19, $20, $21)
      on conflict (stream_id) do update set level = excluded.level, shards_by = excluded.shards_by,
        shards_count = excluded.shards_count, domain = excluded.domain, partition_key = excluded.partition_key,
        policy_digest = excluded.policy_digest,
        policy_no = stored.policy_no + (stored.policy_digest <> excluded.policy_digest)::int,
        operators = excluded.operators, topics = excluded.topics, tenant_id = excluded.tenant_id,
        open_tags = excluded.open_tags, lateness_ms = excluded.lateness_ms, published = excluded.published,
        limits = excluded.limits, readers = excluded.readers, aggregate = excluded.aggregate,
        search = excluded.search, owner_key = excluded.owner_key, updated_ms = excluded.updated_ms`,
    values: [
      streamId,
      audience,
      stream.level,
      stream.shards.by,
      stream.shards.count,
      stream.domain,
      stream.partitionKey ?? null,
      bytea(digest),
      stream.operators,
      stream.topics,
      stream.tenantId ?? null,
      stream.openTags,
      stream.latenessMs,
      stream.published,
      JSON.stringify(stream.limits),
      stream.readers,
      blindKey && Buffer.from(blindKey),
      by.atMs,
      stream.aggregate === undefined ? null : JSON.stringify(stream.aggregate),
      stream.search === undefined ? null : JSON.stringify(stream.search),
      stream.ownerKey ?? null,
    ],
  })
  await putSearchFields(db, streamId, stream.search, by.atMs)
}

async function markDefault({ db }: Changing, streamId: string, defaults?: PolicyDefaults): Promise<void> {
  if (defaults === undefined) {
    await db.query({ text: 'delete from default_policies where stream_id = $1', values: [streamId] })
    return
  }
  await db.query({
    text: `insert into default_policies (stream_id, settings) values ($1, $2)
      on conflict (stream_id) do update set settings = excluded.settings`,
    values: [streamId, defaultsText(defaults)],
  })
}

function inPolicy({ fault }: Refusal): Refusal {
  return refused(fault.code, fault.detail, `/policy${fault.pointer ?? ''}`)
}

function inStream({ fault }: Refusal, streamId: string): Refusal {
  return refused(fault.code, `in stream ${streamId}: ${fault.detail}`, '/policy')
}
