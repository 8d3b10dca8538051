import { type Request, Router } from 'express'
import * as z from 'zod'
import type { CountQuarantine } from '../../adapters/reading/count-quarantine.ts'
import { overlayFailures } from '../overlay-failures.ts'
import { answering, badQuery, problem, shown } from './answering.ts'
import { cursorRefused } from './event-cursor.ts'
import { type ListPagesDeps, listPages } from './list-pages.ts'
import { cursorText, givenName, PAGE_LIMIT_MAX, pageLimit } from './query-members.ts'
import type { Reading } from './reading.ts'

export type QuarantineSummaryDeps = ListPagesDeps & {
  readonly countQuarantine: CountQuarantine
  readonly reading: Reading
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

/** How much of each stream is held, and why. What it is, its publisher and this node's operators alone are told. */
export function quarantineSummaryRoutes(deps: QuarantineSummaryDeps): Router {
  const { countQuarantine, reading, onFailure } = deps
  const pagesOf = listPages('quarantine', place, deps)
  const routes = Router({ caseSensitive: true })
  routes.get(
    '/quarantine',
    answering(reading, async ({ query }, reader) => {
      const parsed = listQuery.safeParse(query)
      if (!parsed.success) return badQuery(parsed.error)
      const { limit, cursor, ...question } = parsed.data
      const pages = await pagesOf(question, reader)
      const begun = pages.begin(cursor)
      if (begun === undefined) return problem(cursorRefused)
      const found = await countQuarantine(
        { streamId: question.streamId, after: begun.at?.streamId, limit: limit + 1 },
        reader,
      )
      const page = found.slice(0, limit)
      const last = page.at(-1)
      return shown({
        items: page,
        nextCursor:
          found.length > limit && last !== undefined ? pages.after({ streamId: last.streamId }) : null,
      })
    }),
  )
  routes.use(overlayFailures(onFailure))
  return routes
}

const listQuery = z.strictObject({
  streamId: givenName.exactOptional(),
  limit: pageLimit(PAGE_LIMIT_MAX),
  cursor: cursorText.exactOptional(),
})
const place = z.strictObject({ streamId: z.string() })
