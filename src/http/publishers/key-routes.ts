import { Router } from 'express'
import { changeFeed, findOwnFeed, listOwnFeeds } from '../../adapters/publishers/own-feeds.ts'
import { revokeOwnKey, rotateOwnKey } from '../../adapters/publishers/own-keys.ts'
import { OVERLAP_MS_DEFAULT } from '../../adapters/registry/secrets.ts'
import { bySchema } from '../../core/schema.ts'
import { readQuery } from '../read/query-members.ts'
import {
  type Answered,
  againstEdit,
  type Caller,
  isProblem,
  nothingOfYours,
  problemOf,
  proven,
  readBody,
  readSeen,
} from './answering.ts'
import { counted } from './feed-routes.ts'
import type { PublisherRouteDeps } from './publisher-ports.ts'
import { allowlistRequest, keyNumber, keysQuery, rotateRequest } from './publisher-requests.ts'
import { shownKey } from './shown.ts'

/** More feeds than one identity may register: operators may have registered them. */
const FEEDS_MAX = 1_000

/** What feeds sign with, and where they send from. */
export function keyRoutes(deps: PublisherRouteDeps): Router {
  const { authentication, pool, feeds } = deps
  const routes = Router({ caseSensitive: true })

  routes.get(
    '/ingest/keys',
    proven(authentication, async (request, { identityKey }) => {
      const query = readQuery(keysQuery, request)
      if ('code' in query) return query
      const { feedId } = query.read
      const one = feedId === undefined ? undefined : await findOwnFeed(pool, feedId, identityKey)
      if (feedId !== undefined && one === undefined) return nothingOfYours
      const found =
        one === undefined ? await listOwnFeeds(pool, identityKey, { after: '', limit: FEEDS_MAX }) : [one]
      const keys = found.flatMap(({ source, secrets }) =>
        secrets.map(secret => ({ feedId: source.sourceId, ...shownKey(secret, deps.now()) })),
      )
      return { body: { keys } }
    }),
  )
  routes.post(
    '/ingest/keys',
    proven(authentication, async (_, caller) => counted('key', await rotate(caller, deps), deps)),
  )
  routes.delete(
    '/ingest/keys/:feedId/:number',
    proven(authentication, async (request, { identityKey }) => {
      const number = keyNumber.safeParse(request.params['number'])
      if (!number.success) return counted('key', nothingOfYours, deps)
      const asked = { feedId: String(request.params['feedId']), number: number.data }
      const edit = againstEdit(await revokeOwnKey(feeds, identityKey, asked))
      const answered = 'problem' in edit ? edit.problem : { body: { ...asked, revoked: true } }
      return counted('key', answered, deps)
    }),
  )
  routes.get(
    '/ingest/keys/:feedId/allowlist',
    proven(authentication, (request, { identityKey }) =>
      allowlistAnswer(String(request.params['feedId']), identityKey, deps),
    ),
  )
  routes.put(
    '/ingest/keys/:feedId/allowlist',
    proven(authentication, async (request, { identityKey, body }) => {
      const seen = readSeen(request, body)
      if (isProblem(seen)) return counted('key', seen, deps)
      const read = bySchema(allowlistRequest, seen.rest, 'registration-invalid')
      if (!read.ok) return counted('key', problemOf(read.fault), deps)
      const feedId = String(request.params['feedId'])
      const { allowlist } = read.value
      const asked = { feedId, version: seen.version, sent: { allowlist }, kind: 'patch' } as const
      const edit = againstEdit(await changeFeed(feeds, identityKey, asked))
      const answered = 'problem' in edit ? edit.problem : await allowlistAnswer(feedId, identityKey, deps)
      return counted('key', answered, deps)
    }),
  )
  return routes
}

async function rotate({ identityKey, body }: Caller, { feeds }: PublisherRouteDeps): Promise<Answered> {
  const read = readBody(rotateRequest, body)
  if ('code' in read) return read
  const { feedId, overlapSeconds = OVERLAP_MS_DEFAULT / 1000 } = read.value
  const asked = { feedId, overlapMs: overlapSeconds * 1000 }
  const edit = againstEdit(await rotateOwnKey(feeds, identityKey, asked))
  if ('problem' in edit) return edit.problem
  const { number, secret } = edit.value
  return { status: 201, body: { feedId, number, secret, overlapSeconds } }
}

async function allowlistAnswer(
  feedId: string,
  identityKey: string,
  { pool }: PublisherRouteDeps,
): Promise<Answered> {
  const feed = await findOwnFeed(pool, feedId, identityKey)
  if (feed === undefined) return nothingOfYours
  const { version, source } = feed
  return { body: { feedId, version, allowlist: source.allowlist }, version }
}
