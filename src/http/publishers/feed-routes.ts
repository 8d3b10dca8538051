import { type RequestHandler, Router } from 'express'
import {
  changeFeed,
  type FeedChange,
  findOwnFeed,
  listOwnFeeds,
  registerFeed,
} from '../../adapters/publishers/own-feeds.ts'
import { findOwnStream } from '../../adapters/publishers/own-streams.ts'
import { readUsage } from '../../adapters/publishers/usage.ts'
import type { EditKind } from '../../core/publisher/edit.ts'
import type { Problem } from '../problem.ts'
import { bad, readQuery } from '../read/query-members.ts'
import {
  type Answered,
  againstEdit,
  type Caller,
  isProblem,
  nothingOfYours,
  problemOf,
  proven,
  readObject,
  readSeen,
} from './answering.ts'
import type { PublisherRouteDeps } from './publisher-ports.ts'
import { listQuery, newName } from './publisher-requests.ts'
import { shownFeed, shownStream, shownUsage } from './shown.ts'
import { tryFeedPolicy } from './try-policy.ts'

/** What publishers register, and change afterwards. */
export function feedRoutes(deps: PublisherRouteDeps): Router {
  const { authentication, pool, feeds } = deps
  const routes = Router({ caseSensitive: true })

  routes.post(
    '/publishers/feeds',
    proven(authentication, async (_, caller) => counted('feed', await register(caller, deps), deps)),
  )
  routes.get(
    '/publishers/feeds',
    proven(authentication, async (request, { identityKey }) => {
      const query = readQuery(listQuery, request)
      if ('code' in query) return query
      const found = await listOwnFeeds(pool, identityKey, query.read)
      const last = found.length === query.read.limit ? found.at(-1) : undefined
      return {
        body: {
          feeds: found.map(feed => shownFeed(feed, deps.now())),
          nextAfter: last?.source.sourceId ?? null,
          feedsMax: feeds.feedsPerIdentityMax,
          mayRegister: deps.mayRegister(identityKey),
          ceiling: feeds.ceiling,
        },
      }
    }),
  )
  routes.get(
    '/publishers/feeds/:id',
    proven(authentication, async (request, { identityKey }) => {
      const feed = await findOwnFeed(pool, String(request.params['id']), identityKey)
      return feed === undefined
        ? nothingOfYours
        : { body: shownFeed(feed, deps.now()), version: feed.version }
    }),
  )
  const changing = (kind: EditKind): RequestHandler =>
    proven(authentication, async (request, caller) => {
      const seen = readSeen(request, caller.body)
      if (isProblem(seen)) return counted('feed', seen, deps)
      const feedId = String(request.params['id'])
      const answered = await change(caller, { feedId, version: seen.version, sent: seen.rest, kind }, deps)
      return counted('feed', answered, deps)
    })
  routes.patch('/publishers/feeds/:id', changing('patch'))
  routes.put('/publishers/feeds/:id', changing('put'))
  routes.get(
    '/publishers/feeds/:id/usage',
    proven(authentication, async (request, { identityKey }) => {
      const feed = await findOwnFeed(pool, String(request.params['id']), identityKey)
      if (feed === undefined) return nothingOfYours
      const { sourceId, limits } = feed.source
      return { body: shownUsage(limits, await readUsage(pool, `source ${sourceId}`, limits, deps.now())) }
    }),
  )
  return routes
}

async function register({ identityKey, body }: Caller, deps: PublisherRouteDeps): Promise<Answered> {
  if (!deps.mayRegister(identityKey)) return registrationClosed
  const object = readObject(body)
  if (isProblem(object)) return object
  const { stream, ...feed } = object
  const name = newName.safeParse(feed['name'])
  if (!name.success) return nameMissing
  const namesStreams = Object.hasOwn(feed, 'streams')
  if (namesStreams && stream !== undefined)
    return bad('/stream: the feed names streams that you have; leave one of the two out')
  const unfit = await tryFeedPolicy(identityKey, feed['policy'], deps)
  if (unfit !== undefined) return unfit
  const edit = againstEdit(
    await registerFeed(deps.feeds, identityKey, { name: name.data, feed, stream, namesStreams }),
  )
  if ('problem' in edit) return edit.problem
  const { feedId, secret } = edit.value
  const made = await findOwnFeed(deps.pool, feedId, identityKey)
  if (made === undefined) return nothingOfYours
  const its = await findOwnStream(deps.pool, made.source.streams[0], identityKey)
  return {
    status: 201,
    version: made.version,
    body: {
      feed: shownFeed(made, deps.now()),
      stream: its === undefined ? null : shownStream(its),
      secret,
    },
  }
}

async function change(
  { identityKey }: Caller,
  asked: FeedChange,
  deps: PublisherRouteDeps,
): Promise<Answered> {
  const before = await findOwnFeed(deps.pool, asked.feedId, identityKey)
  if (before === undefined) return nothingOfYours
  const sent = asked.sent as { readonly policy?: typeof asked.sent }
  const unfit = await tryFeedPolicy(identityKey, sent.policy, deps)
  if (unfit !== undefined) return unfit
  const edit = againstEdit(await changeFeed(deps.feeds, identityKey, asked))
  if ('problem' in edit) return edit.problem
  const after = await findOwnFeed(deps.pool, asked.feedId, identityKey)
  if (after === undefined) return nothingOfYours
  return {
    version: after.version,
    body: { feed: shownFeed(after, deps.now()), secret: edit.value.secret },
  }
}

export function counted(
  what: Parameters<PublisherRouteDeps['onAsked']>[0],
  answered: Answered,
  { onAsked }: Pick<PublisherRouteDeps, 'onAsked'>,
): Answered {
  onAsked(what, 'code' in answered ? 'refused' : 'done')
  return answered
}

export const registrationClosed: Problem = {
  code: 'registration-closed',
  detail: 'your identity key is not among those that may register here',
}

export const nameMissing: Problem = problemOf({
  code: 'registration-invalid',
  detail: 'a name is wanted: a text of 1 to 256 characters, none of them a control character',
  pointer: '/name',
})
