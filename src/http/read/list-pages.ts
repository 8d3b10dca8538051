import type * as z from 'zod'
import type { CursorOf, PageCursors } from '../../adapters/reading/page-cursors.ts'
import type { RightsOf } from '../../adapters/reading/rights.ts'
import type { Json } from '../../core/canonical-json.ts'
import type { Reader } from '../../core/registry/may-read.ts'

export type ListPagesDeps = {
  readonly cursors: PageCursors
  readonly rightsOf: RightsOf
}

/** Where pages of one list begin, for one question of one reader. */
export type ListPages<Place> = {
  /** `at` is null without a cursor. Undefined where it is none of this list, question, and reader's rights. */
  begin(cursor: string | undefined): { readonly at: Place | null } | undefined
  /** The cursor of a page that begins behind `place`. */
  after(place: Place): string
}

/** A place is where its list goes on: nodes of this database alone can make one, or read it. */
export function listPages<Place extends { readonly [member: string]: Json }>(
  route: string,
  place: z.ZodType<Place>,
  { cursors, rightsOf }: ListPagesDeps,
) {
  return async (question: Json, reader: Reader): Promise<ListPages<Place>> => {
    const page: CursorOf = { route, question, rights: await rightsOf(reader) }
    return {
      begin(cursor) {
        if (cursor === undefined) return { at: null }
        const read = place.safeParse(cursors.read(page, cursor))
        return read.success ? { at: read.data } : undefined
      },
      after: at => cursors.write(page, at),
    }
  }
}
