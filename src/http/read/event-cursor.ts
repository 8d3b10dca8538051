import * as z from 'zod'
import type { CursorOf, PageCursors } from '../../adapters/reading/page-cursors.ts'
import type { Position } from '../../serve/event-page.ts'
import type { Problem } from '../problem.ts'

const position = z.strictObject({ ingestMs: z.number(), partitionId: z.int(), seq: z.int() })

/** Where the page begins that a cursor leads to; null without one. */
export function belowOf(
  cursors: PageCursors,
  page: CursorOf,
  cursor: string | undefined,
): Position | null | 'refused' {
  if (cursor === undefined) return null
  const read = position.safeParse(cursors.read(page, cursor))
  return read.success ? read.data : 'refused'
}

export const cursorRefused: Problem = {
  code: 'bad-request',
  detail:
    'cursor in the query is none that was given for this question, and to whoever may read what you may',
  hint: 'ask with nextCursor as it was answered, and all else as before; or begin again without a cursor',
}
