import { type Request, Router } from 'express'
import * as z from 'zod'
import { SYNC_ITEMS_MAX, type SyncPage, syncCursor } from '../adapters/discovery/sync-page.ts'
import { refused } from '../core/fault.ts'
import { limitAtOnce } from './limit-at-once.ts'
import { overlayError, sendError } from './overlay-error.ts'
import { overlayFailures } from './overlay-failures.ts'
import { wrongShape } from './wrong-shape.ts'

export type SyncRouteDeps = {
  /** Names of the topics that are hosted here. */
  readonly topics: readonly string[]
  readPage(question: { topic: string; after?: string | undefined; limit: number }): Promise<SyncPage>
  onFailure(error: unknown, request: Request): void
  readonly pagesAtOnceMax?: number
}

/** A page may take 16 MB until it is sent. */
export const PAGES_AT_ONCE_MAX = 8
const ANSWER_MS_MAX = 60_000

const question = z.object({
  topic: z.string(),
  after: syncCursor.optional(),
  limit: z
    .string()
    .regex(/^\d{1,3}$/, `not a whole number from 1 to ${SYNC_ITEMS_MAX}`)
    .transform(Number)
    .refine(value => value >= 1 && value <= SYNC_ITEMS_MAX, `not a whole number from 1 to ${SYNC_ITEMS_MAX}`)
    .default(SYNC_ITEMS_MAX),
})

/** For peers that were away: everything that a topic has answered to, page by page. */
export function syncRoutes({
  topics,
  readPage,
  onFailure,
  pagesAtOnceMax = PAGES_AT_ONCE_MAX,
}: SyncRouteDeps): Router {
  const routes = Router({ caseSensitive: true })
  const pages = limitAtOnce(pagesAtOnceMax, ANSWER_MS_MAX)
  routes.get('/sync', async (request, response) => {
    const read = question.safeParse(request.query)
    if (!read.success) return sendError(response, wrongShape('the query', read.error))
    if (!topics.includes(read.data.topic))
      return sendError(
        response,
        overlayError(
          refused('topic-unknown', 'the query names no topic that this node hosts; ?topic=tm_…').fault,
        ),
      )
    await pages(response, async () => {
      response.set('Cache-Control', 'no-store').json(await readPage(read.data))
    })
  })
  routes.use(overlayFailures(onFailure))
  return routes
}
