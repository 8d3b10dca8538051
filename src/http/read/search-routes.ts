import { type Request, type RequestHandler, Router } from 'express'
import type { PageCursors } from '../../adapters/reading/page-cursors.ts'
import type { RightsOf } from '../../adapters/reading/rights.ts'
import type { Reader } from '../../core/registry/may-read.ts'
import type { Position } from '../../serve/event-page.ts'
import type { ListedEvent } from '../../serve/event-question.ts'
import type { SearchOutcome } from '../../serve/search-events.ts'
import type { SearchQuestion } from '../../serve/search-question.ts'
import { overlayFailures } from '../overlay-failures.ts'
import type { Problem } from '../problem.ts'
import { sendProblem } from '../send-problem.ts'
import { belowOf, cursorRefused } from './event-cursor.ts'
import { bad, readQuery } from './query-members.ts'
import type { Reading } from './reading.ts'
import { searchQuery, searchQuestionOf } from './search-query.ts'
import { shownInSearch, shownReach } from './shown-event.ts'

export type SearchRouteDeps = {
  readonly reading: Reading
  readonly rightsOf: RightsOf
  readonly cursors: PageCursors
  readonly search: Search
  /** What the overlay knows of each, in the same order. */
  readonly overlayOf: (events: readonly ListedEvent[]) => Promise<readonly object[]>
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

export type Search = (
  reader: Reader,
  question: SearchQuestion,
  page: { readonly limit: number; readonly below: Position | null },
) => Promise<SearchOutcome>

/** Events that fit all that is asked. */
export function searchRoutes(deps: SearchRouteDeps): Router {
  const { reading, rightsOf, cursors, search, overlayOf, onFailure } = deps
  const routes = Router({ caseSensitive: true })
  const answered = (show: (events: readonly ListedEvent[]) => Promise<readonly object[]>): RequestHandler =>
    reading(async (request, response, reader) => {
      const asked = readQuery(searchQuery, request)
      if ('code' in asked) return sendProblem(response, asked)
      const { limit, cursor, ...question } = asked.read
      const page = { route: 'search', question, rights: await rightsOf(reader) }
      const below = belowOf(cursors, page, cursor)
      if (below === 'refused') return sendProblem(response, cursorRefused)
      const outcome = await search(reader, searchQuestionOf(question), { limit, below })
      if (outcome.kind !== 'page') return sendProblem(response, refusals[outcome.kind])
      response.json({
        items: await show(outcome.items),
        limit,
        nextCursor: outcome.below && cursors.write(page, { ...outcome.below }),
        reach: { ...shownReach(outcome.reach), payloadsSinceMs: outcome.payloadsSinceMs },
      })
    })
  routes.get(
    '/search',
    answered(async events => events.map(shownInSearch)),
  )
  routes.get(
    '/overlay/search',
    answered(async events => {
      const overlay = await overlayOf(events)
      return events.map((event, i) => ({ ...shownInSearch(event), overlay: overlay[i] }))
    }),
  )
  routes.use(overlayFailures(onFailure))
  return routes
}

const refusals: Readonly<Record<Exclude<SearchOutcome['kind'], 'page'>, Problem>> = {
  behind: {
    code: 'busy',
    detail: 'so many events have come that not all of them can be found yet, and this one may be among them',
    hint: 'wait as long as Retry-After says, and ask again',
    retryAfterSeconds: 5,
  },
  'too-many-sources': bad(
    'publisher in the query has more sources than are searched at once',
    'name one of them in sourceId as well',
  ),
  'too-many-streams': bad(
    'more streams are searched by what the query names than are looked at together',
    'name one of them in stream as well',
  ),
  'not-searched': bad(
    'no stream that you may read is searched by all the fields, or the text, that the query names',
    "ask by other members; a stream's owner names what of its payloads is searched, in its member search",
  ),
}
