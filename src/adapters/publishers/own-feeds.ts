import { isObject, type Json } from '../../core/canonical-json.ts'
import { accepted, type Outcome, orThrow } from '../../core/fault.ts'
import type { EditKind } from '../../core/publisher/edit.ts'
import { editFeed } from '../../core/publisher/feed-edit.ts'
import { ID_RANDOM_BYTES, newId } from '../../core/publisher/new-id.ts'
import { readSource, type SourceInput } from '../../core/registry/read-source.ts'
import type { Queryable } from '../postgres/sql.ts'
import type { Changing } from '../registry/changing.ts'
import { putSourceIn } from '../registry/put-source.ts'
import { newSecretIn, type ShownSecret, shownSecrets } from '../registry/secrets.ts'
import { registeredSource, type SourceRow, sourceRows, sourceRowsOf } from '../registry/source-rows.ts'
import { makeStreamIn, offByOperator, ownedStreamIds, type StreamDeps } from './own-streams.ts'
import { grownTooHeavy, policyWeights } from './policy-weights.ts'
import { done, type Edit, notFound, overtaken, publisherChange } from './publisher-change.ts'
import { versionsOf } from './versions.ts'

/** A source, as its publisher is shown it. */
export type OwnFeed = {
  readonly source: SourceInput
  readonly version: string
  readonly lastActivityMs: number | null
  readonly secrets: readonly ShownSecret[]
}

export type FeedDeps = StreamDeps & {
  readonly feedsPerIdentityMax: number
  /** Of all publishers together. */
  readonly feedsMax: number
}

export async function listOwnFeeds(
  db: Queryable,
  identityKey: string,
  page: { readonly after: string; readonly limit: number },
): Promise<OwnFeed[]> {
  return shown(db, await sourceRowsOf(db, { identityKey, ...page }))
}

export async function findOwnFeed(
  db: Queryable,
  feedId: string,
  identityKey: string,
): Promise<OwnFeed | undefined> {
  const [row] = await sourceRows(db, [feedId])
  if (row?.identityKey !== identityKey) return undefined
  const [feed] = await shown(db, [row])
  return feed
}

async function shown(db: Queryable, rows: readonly SourceRow[]): Promise<OwnFeed[]> {
  const versions = await versionsOf(
    db,
    'source',
    rows.map(({ sourceId }) => sourceId),
  )
  const feeds: OwnFeed[] = []
  for (const row of rows)
    feeds.push({
      source: registeredSource(row),
      version: versions.get(row.sourceId) ?? '0',
      lastActivityMs: row.lastActivityMs,
      secrets: await shownSecrets(db, row.sourceId),
    })
  return feeds
}

export type Registered = { readonly feedId: string; readonly secret: string | null }

/** Registers a feed, and makes its stream where it does not name streams of the publisher's. */
export function registerFeed(
  deps: FeedDeps,
  identityKey: string,
  sent: {
    readonly name: string
    readonly feed: Json
    readonly stream: Json | undefined
    readonly namesStreams: boolean
  },
): Promise<Outcome<Edit<Registered>>> {
  return publisherChange(deps, identityKey, async (change): Promise<Outcome<Edit<Registered>>> => {
    const full = await fullOf(change.db, identityKey, deps)
    if (full !== undefined) return accepted(full)
    const feedId = newId(sent.name, deps.random(ID_RANDOM_BYTES))
    const plain = orThrow(
      readSource({ sourceId: feedId, identityKey, authentication: 'hmac', streams: [feedId] }),
    )
    const ownStreams = await ownedStreamIds(change.db, identityKey)
    const source = editFeed(plain, sent.feed, 'put', { ceiling: deps.ceiling, ownStreams })
    if (!source.ok) return source
    if (!sent.namesStreams) {
      const stream = followedUnder(source.value.overlayTopics, sent.stream ?? {})
      const made = await makeStreamIn(change, { streamId: feedId, identityKey, sent: stream }, deps)
      if (!made.ok) return made
      if (made.value.did !== 'done') return accepted(made.value)
    }
    return putFeedIn(change, source.value)
  })
}

/** What a stream is followed under where it does not say so itself is what its feed says. */
function followedUnder(overlayTopics: readonly string[], stream: Json): Json {
  return isObject(stream) ? { topics: [...overlayTopics], ...stream } : stream
}

export type FeedChange = {
  readonly feedId: string
  readonly version: string
  readonly sent: Json
  readonly kind: EditKind
}

/** Changes it as its publisher wants it, if it is still as the publisher has seen it. */
export async function changeFeed(
  deps: FeedDeps,
  identityKey: string,
  { feedId, version, sent, kind }: FeedChange,
): Promise<Outcome<Edit<Registered>>> {
  // Asked first without the lock that all changes share: strangers are not to wait in it.
  const [seen] = await sourceRows(deps.changes.pool, [feedId])
  if (seen?.identityKey !== identityKey) return notFound
  return publisherChange(deps, identityKey, async (change): Promise<Outcome<Edit<Registered>>> => {
    const { db } = change
    const [row] = await sourceRows(db, [feedId])
    if (row?.identityKey !== identityKey) return notFound
    const now = (await versionsOf(db, 'source', [feedId])).get(feedId) ?? '0'
    if (now !== version) return overtaken(now)
    const before = registeredSource(row)
    const source = editFeed(before, sent, kind, {
      ceiling: { ...deps.ceiling, ...row.limitsByOperator },
      ownStreams: await ownedStreamIds(db, identityKey),
    })
    if (!source.ok) return source
    if (source.value.enabled && !before.enabled && row.offByOperator) return offByOperator('/enabled')
    return putFeedIn(change, source.value)
  })
}

/** One that signs with a secret has one from the first moment. */
async function putFeedIn(change: Changing, source: SourceInput): Promise<Outcome<Edit<Registered>>> {
  const weights = await policyWeights(change.db, source.streams)
  const put = await putSourceIn(change, source)
  if (!put.ok) return put
  const heavy = await grownTooHeavy(change.db, weights)
  if (heavy !== undefined) return heavy
  const { sourceId: feedId, authentication } = source
  if (authentication !== 'hmac' || (await hasLiveSecret(change, feedId)))
    return done({ feedId, secret: null })
  const made = await newSecretIn(change, feedId)
  return made.ok ? done({ feedId, secret: made.value.secret }) : made
}

async function hasLiveSecret({ db, by }: Changing, feedId: string): Promise<boolean> {
  const secrets = await shownSecrets(db, feedId)
  return secrets.some(
    ({ untilMs, revokedMs }) => revokedMs === null && (untilMs === null || untilMs > by.atMs),
  )
}

async function fullOf(db: Queryable, identityKey: string, { feedsPerIdentityMax, feedsMax }: FeedDeps) {
  const { rows } = await db.query<{ own: number; all: number }>({
    name: 'publisher-feeds',
    text: `select count(*) filter (where identity_key = $1)::int as own, count(*)::int as all
      from overlay_event_sources where identity_key is not null`,
    values: [identityKey],
  })
  const { own = 0, all = 0 } = rows[0] ?? {}
  if (own >= feedsPerIdentityMax) return { did: 'full', why: 'feeds', max: feedsPerIdentityMax } as const
  return all >= feedsMax ? ({ did: 'full', why: 'all-feeds', max: feedsMax } as const) : undefined
}
