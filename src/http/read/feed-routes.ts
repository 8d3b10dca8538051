import { createHash } from 'node:crypto'
import { type Request, type Response, Router } from 'express'
import * as z from 'zod'
import type { PageCursors } from '../../adapters/reading/page-cursors.ts'
import type { RightsOf } from '../../adapters/reading/rights.ts'
import { eventStatesSaid } from '../../core/jobs/vocabulary.ts'
import type { Reader } from '../../core/registry/may-read.ts'
import type { EventPage, Position } from '../../serve/event-page.ts'
import type { EventQuestion, ListedEvent, Reach } from '../../serve/event-question.ts'
import { overlayFailures } from '../overlay-failures.ts'
import { sendProblem } from '../send-problem.ts'
import type { AnswerCache } from './answer-cache.ts'
import { belowOf, cursorRefused } from './event-cursor.ts'
import {
  cursorText,
  digits,
  givenName,
  levelName,
  pageLimit,
  readQuery,
  statusName,
  timeMs,
} from './query-members.ts'
import type { Reading } from './reading.ts'
import { shownInFeed, shownReach } from './shown-event.ts'

export type FeedRouteDeps = {
  readonly reading: Reading
  readonly rightsOf: RightsOf
  readonly listFeed: ListFeed
  readonly cursors: PageCursors
  readonly cache: AnswerCache
  /** So long those on the way may keep an answer too. */
  readonly cacheTtlMs: number
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

/** The newest first, from below a position on. */
export type ListFeed = (
  reader: Reader,
  question: EventQuestion,
  page: { readonly limit: number; readonly skip: number; readonly below: Position | null },
) => Promise<EventPage<ListedEvent> & { readonly reach: Reach }>

export const FEED_LIMIT_MAX = 200
/** Beyond it a cursor leads on, which costs the same on every page. */
export const FEED_OFFSET_MAX = 1_000

/** What came in last, with where it stands. */
export function feedRoutes(deps: FeedRouteDeps): Router {
  const { reading, rightsOf, cursors, cache, listFeed, onFailure } = deps
  const routes = Router({ caseSensitive: true })
  const feed = reading(async (request, response, reader) => {
    const asked = readQuery(feedQuery, request)
    if ('code' in asked) return sendProblem(response, asked)
    const { limit, offset, cursor, ...filter } = asked.read
    const rights = await rightsOf(reader)
    const page = { route: 'feed', question: filter, rights }
    const below = belowOf(cursors, page, cursor)
    if (below === 'refused') return sendProblem(response, cursorRefused)
    const answer = await cache.get(JSON.stringify([rights, asked.read]), async () => {
      const listed = await listFeed(reader, questionOf(filter), { limit, skip: offset, below })
      return JSON.stringify({
        items: listed.items.map(shownInFeed),
        limit,
        nextCursor: listed.below && cursors.write(page, { ...listed.below }),
        reach: shownReach(listed.reach),
      })
    })
    sendAnswer(request, response, answer, reader, deps.cacheTtlMs)
  })
  routes.get('/feed', feed)
  routes.get('/ingest/feed', feed)
  routes.use(overlayFailures(onFailure))
  return routes
}

const feedQuery = z
  .strictObject({
    sourceId: givenName.exactOptional(),
    status: statusName.exactOptional(),
    stream: givenName.exactOptional(),
    type: givenName.exactOptional(),
    level: levelName.exactOptional(),
    from: timeMs.exactOptional(),
    to: timeMs.exactOptional(),
    limit: pageLimit(FEED_LIMIT_MAX),
    offset: digits(FEED_OFFSET_MAX).default(0),
    cursor: cursorText.exactOptional(),
  })
  .refine(({ offset, cursor }) => offset === 0 || cursor === undefined, {
    path: ['offset'],
    message: 'a cursor says where the page begins; leave one of the two out',
  })

type FeedFilter = Omit<z.output<typeof feedQuery>, 'limit' | 'offset' | 'cursor'>

function questionOf({ stream, status, from, to, ...same }: FeedFilter): EventQuestion {
  return {
    ...same,
    ...(stream !== undefined && { streamId: stream }),
    ...(status !== undefined && { states: eventStatesSaid('ingest', status) }),
    ...(from !== undefined && { fromMs: from }),
    ...(to !== undefined && { untilMs: to }),
  }
}

/** Signed answers are never empty, so whoever proves an identity gets it whole each time. */
function sendAnswer(
  request: Request,
  response: Response,
  answer: string,
  { identityKey }: Reader,
  ttlMs: number,
): void {
  response.type('application/json; charset=utf-8')
  if (identityKey !== undefined) {
    response.send(answer)
    return
  }
  const tag = createHash('sha256').update(answer).digest('base64url').slice(0, 22)
  response.set({ ETag: `"${tag}"`, 'Cache-Control': `public, max-age=${Math.floor(ttlMs / 1000)}` })
  if (request.fresh) response.status(304).end()
  else response.send(answer)
}
