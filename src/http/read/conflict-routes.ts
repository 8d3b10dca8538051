import { type Request, Router } from 'express'
import * as z from 'zod'
import type { ConflictName, ListConflicts } from '../../adapters/reading/list-conflicts.ts'
import type { Reader } from '../../core/registry/may-read.ts'
import { hex } from '../../core/schema.ts'
import { conflictId, readConflictId, shownConflict } from '../../serve/shown-conflict.ts'
import { overlayFailures } from '../overlay-failures.ts'
import type { Problem } from '../problem.ts'
import { answering, badQuery, problem, shown } from './answering.ts'
import { cursorRefused } from './event-cursor.ts'
import { type ListPagesDeps, listPages } from './list-pages.ts'
import { cursorText, givenName, PAGE_LIMIT_MAX, pageLimit } from './query-members.ts'
import type { Reading } from './reading.ts'

export type ConflictRouteDeps = ListPagesDeps & {
  readonly conflicts: Conflicts
  readonly reading: Reading
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

export type Conflicts = {
  readonly list: ListConflicts
  /** Where two answers part ways; undefined where there is nothing that this reader could be shown. */
  difference(name: ConflictName, reader: Reader): Promise<object | undefined>
}

/** Packets about which agents did not all say the same: what stands, and who dissented. */
export function conflictRoutes(deps: ConflictRouteDeps): Router {
  const { conflicts, reading, onFailure } = deps
  const pagesOf = listPages('conflicts', place, deps)
  const routes = Router({ caseSensitive: true })
  routes.get(
    '/conflicts',
    answering(reading, async ({ query }, reader) => {
      const parsed = listQuery.safeParse(query)
      if (!parsed.success) return badQuery(parsed.error)
      const { limit, cursor, ...question } = parsed.data
      const pages = await pagesOf(question, reader)
      const begun = pages.begin(cursor)
      if (begun === undefined) return problem(cursorRefused)
      const page = await conflicts.list({ ...question, below: begun.at?.id ?? null, limit }, reader)
      return shown({
        items: page.items.map(shownConflict),
        nextCursor: page.below === null ? null : pages.after({ id: page.below }),
      })
    }),
  )
  routes.get(
    '/conflicts/:id/difference',
    answering(reading, async ({ params: { id } }, reader) => {
      const name = typeof id === 'string' ? readConflictId(id) : undefined
      const difference = name && (await conflicts.difference(name, reader))
      if (name === undefined || difference === undefined) return problem(noDifference)
      return shown({ conflictId: conflictId(name), difference })
    }),
  )
  routes.use(overlayFailures(onFailure))
  return routes
}

const listQuery = z.strictObject({
  packetId: hex(32).exactOptional(),
  streamId: givenName.exactOptional(),
  limit: pageLimit(PAGE_LIMIT_MAX),
  cursor: cursorText.exactOptional(),
})
const place = z.strictObject({ id: z.int().min(1) })

const noDifference: Problem = {
  code: 'not-found',
  detail:
    'no two different answers are shown here under this id: there is no such conflict of a public stream that you may read, no two agents have stored answers that differ, or what they stored is gone',
  hint: 'take a conflictId from /conflicts; its votes tell the answers apart by their hashes',
}
