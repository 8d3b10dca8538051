import type { Json } from '../../core/canonical-json.ts'
import { accepted, type Outcome, orThrow, type Refusal, refused } from '../../core/fault.ts'
import type { PolicySet } from '../../core/policy/policy-set.ts'
import { ID_RANDOM_BYTES, newId } from '../../core/publisher/new-id.ts'
import { editStream } from '../../core/publisher/stream-edit.ts'
import type { Limits } from '../../core/registry/limits.ts'
import { readStream } from '../../core/registry/read-stream.ts'
import type { Queryable } from '../postgres/sql.ts'
import { hexOf } from '../postgres/sql.ts'
import type { Changing } from '../registry/changing.ts'
import { putStreamIn } from '../registry/put-stream.ts'
import { sourceRowsOf } from '../registry/source-rows.ts'
import {
  policyOfRow,
  type StreamRow,
  type StreamSettings,
  settingsOf,
  streamRows,
  streamRowsOf,
} from '../registry/stream-rows.ts'
import { othersTopic } from './others-topic.ts'
import { grownTooHeavy, policyWeights } from './policy-weights.ts'
import {
  done,
  type Edit,
  notFound,
  overtaken,
  type PublisherDeps,
  publisherChange,
} from './publisher-change.ts'
import { versionsOf } from './versions.ts'

/** A stream as a publisher is shown it: its own, or an operator's that a feed of its own writes to. */
export type OwnStream = {
  readonly settings: StreamSettings
  readonly version: string
  readonly isYours: boolean
  readonly policyNumber: number
  readonly policyDigest: string
  readonly policyByDefault: boolean
  /** The publisher's feeds that write to it. */
  readonly feedIds: readonly string[]
}

export type StreamDeps = PublisherDeps & {
  /** What the operator allows every stream of a publisher. */
  readonly ceiling: Limits
  readonly streamsPerIdentityMax: number
  /** Of all publishers together. */
  readonly streamsMax: number
  random(bytes: number): Uint8Array
}

/** More than one identity may have: an operator may have registered them. */
const FEEDS_READ_MAX = 1_000

export async function listOwnStreams(
  db: Queryable,
  identityKey: string,
  page: { readonly after: string; readonly limit: number },
): Promise<OwnStream[]> {
  const writers = await writersOf(db, identityKey)
  const rows = await streamRowsOf(db, { ownerKey: identityKey, streamIds: [...writers.keys()], ...page })
  return shown(db, rows, identityKey, writers)
}

export async function findOwnStream(
  db: Queryable,
  streamId: string,
  identityKey: string,
): Promise<OwnStream | undefined> {
  const [row] = await streamRows(db, [streamId])
  if (row === undefined) return undefined
  const [stream] = await shown(db, [row], identityKey, await writersOf(db, identityKey))
  return stream !== undefined && (stream.isYours || stream.feedIds.length > 0) ? stream : undefined
}

async function shown(
  db: Queryable,
  rows: readonly StreamRow[],
  identityKey: string,
  writers: ReadonlyMap<string, readonly string[]>,
): Promise<OwnStream[]> {
  const versions = await versionsOf(
    db,
    'stream',
    rows.map(({ streamId }) => streamId),
  )
  return rows.map(row => ({
    settings: settingsOf(row),
    version: versions.get(row.streamId) ?? '0',
    isYours: row.ownerKey === identityKey,
    policyNumber: row.policyNo,
    policyDigest: hexOf(row.policyDigest),
    policyByDefault: row.defaults !== null,
    feedIds: writers.get(row.streamId) ?? [],
  }))
}

/** The publisher's feeds, by the streams that they write to. */
async function writersOf(db: Queryable, identityKey: string): Promise<Map<string, string[]>> {
  const rows = await sourceRowsOf(db, { identityKey, after: '', limit: FEEDS_READ_MAX })
  const writers = new Map<string, string[]>()
  for (const { sourceId, configuration } of rows) {
    const named = configuration['streams']
    const streams = Array.isArray(named) ? named.map(String) : [sourceId]
    for (const streamId of streams) writers.set(streamId, [...(writers.get(streamId) ?? []), sourceId])
  }
  return writers
}

export async function ownedStreamIds(db: Queryable, ownerKey: string): Promise<string[]> {
  const { rows } = await db.query<{ streamId: string }>({
    name: 'owned-stream-ids',
    text: 'select stream_id as "streamId" from streams where owner_key = $1',
    values: [ownerKey],
  })
  return rows.map(({ streamId }) => streamId)
}

/** Makes a stream that is the publisher's own. */
export function makeOwnStream(
  deps: StreamDeps,
  identityKey: string,
  name: string,
  sent: Json,
): Promise<Outcome<Edit<string>>> {
  return publisherChange(deps, identityKey, async (change): Promise<Outcome<Edit<string>>> => {
    const streamId = newId(name, deps.random(ID_RANDOM_BYTES))
    return makeStreamIn(change, { streamId, identityKey, sent }, deps)
  })
}

export async function makeStreamIn(
  change: Changing,
  {
    streamId,
    identityKey,
    sent,
  }: { readonly streamId: string; readonly identityKey: string; readonly sent: Json },
  { ceiling, ...bounds }: StreamDeps,
): Promise<Outcome<Edit<string>>> {
  const full = await fullOf(change.db, identityKey, bounds)
  if (full !== undefined) return accepted(full)
  const { levelByDefault } = change
  const plain = orThrow(readStream({ streamId, ownerKey: identityKey }, levelByDefault))
  const stream = editStream(plain, sent, { kind: 'put', ceiling, levelByDefault })
  if (!stream.ok) return stream
  const taken = await othersTopic(change.db, identityKey, stream.value.topics)
  if (taken !== undefined) return taken
  const made = await putStreamIn(change, stream.value)
  return made.ok ? done(streamId) : made
}

/** Changes it as its owner wants it, if it is still as the owner has seen it. */
export function changeOwnStream(
  deps: StreamDeps,
  identityKey: string,
  { streamId, version, sent }: { readonly streamId: string; readonly version: string; readonly sent: Json },
): Promise<Outcome<Edit<string>>> {
  return withOwnStream(deps, identityKey, { streamId, version }, async (change, row) => {
    const { db } = change
    const ceiling = { ...deps.ceiling, ...row.limitsByOperator }
    const before = settingsOf(row)
    const { levelByDefault } = change
    const stream = editStream(before, sent, { kind: 'patch', ceiling, levelByDefault })
    if (!stream.ok) return stream
    if (stream.value.published && !before.published && row.offByOperator) return offByOperator('/published')
    const taken = await othersTopic(db, identityKey, stream.value.topics, before.topics)
    if (taken !== undefined) return taken
    const policy = row.defaults === null ? { policy: await policyOfRow(db, row) } : {}
    const put = await putStreamIn(change, { ...stream.value, ...policy })
    return put.ok ? done(streamId) : put
  })
}

export type PolicyChange = {
  readonly streamId: string
  readonly version: string
  /** What it is to be; undefined for the policy by default. */
  policy(change: Changing, row: StreamRow): Promise<Outcome<PolicySet | undefined> | 'not-found'>
}

/** Puts another policy in force, which counts up its versions. */
export function changeOwnPolicy(
  deps: PublisherDeps,
  identityKey: string,
  { streamId, version, policy }: PolicyChange,
): Promise<Outcome<Edit<string>>> {
  return withOwnStream(deps, identityKey, { streamId, version }, async (change, row) => {
    const read = await policy(change, row)
    if (read === 'not-found') return notFound
    if (!read.ok) return read
    const weights = await policyWeights(change.db, [streamId])
    const put = await putStreamIn(change, {
      ...settingsOf(row),
      ...(read.value !== undefined && { policy: read.value }),
    })
    if (!put.ok) return put
    return (await grownTooHeavy(change.db, weights)) ?? done(streamId)
  })
}

async function withOwnStream(
  deps: PublisherDeps,
  identityKey: string,
  { streamId, version }: { readonly streamId: string; readonly version: string },
  work: (change: Changing, row: StreamRow) => Promise<Outcome<Edit<string>>>,
): Promise<Outcome<Edit<string>>> {
  // Asked first without the lock that all changes share: strangers are not to wait in it.
  const [seen] = await streamRows(deps.changes.pool, [streamId])
  if (seen?.ownerKey !== identityKey) return notFound
  return publisherChange(deps, identityKey, async (change): Promise<Outcome<Edit<string>>> => {
    const [row] = await streamRows(change.db, [streamId])
    if (row?.ownerKey !== identityKey) return notFound
    const now = (await versionsOf(change.db, 'stream', [streamId])).get(streamId) ?? '0'
    return now === version ? work(change, row) : overtaken(now)
  })
}

async function fullOf(
  db: Queryable,
  identityKey: string,
  { streamsPerIdentityMax, streamsMax }: Pick<StreamDeps, 'streamsPerIdentityMax' | 'streamsMax'>,
) {
  const { rows } = await db.query<{ own: number; all: number }>({
    name: 'publisher-streams',
    text: `select count(*) filter (where owner_key = $1)::int as own, count(*)::int as all
      from streams where owner_key is not null`,
    values: [identityKey],
  })
  const { own = 0, all = 0 } = rows[0] ?? {}
  if (own >= streamsPerIdentityMax)
    return { did: 'full', why: 'streams', max: streamsPerIdentityMax } as const
  return all >= streamsMax ? ({ did: 'full', why: 'all-streams', max: streamsMax } as const) : undefined
}

export function offByOperator(pointer: string): Refusal {
  return refused(
    'registration-invalid',
    'an operator of this node has switched it off, and only an operator switches it on again; ask one',
    pointer,
  )
}
