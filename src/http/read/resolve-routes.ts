import { type Request, type RequestHandler, Router } from 'express'
import * as z from 'zod'
import type { PageCursors } from '../../adapters/reading/page-cursors.ts'
import type { RightsOf } from '../../adapters/reading/rights.ts'
import type { Reader } from '../../core/registry/may-read.ts'
import type { KnownVersion, VersionPage, VersionPosition } from '../../serve/known-version.ts'
import { overlayFailures } from '../overlay-failures.ts'
import { sendProblem } from '../send-problem.ts'
import { storedText } from '../stored-text.ts'
import { cursorRefused } from './event-cursor.ts'
import { bad, cursorText, hash, pageLimit, readQuery } from './query-members.ts'
import type { Reading } from './reading.ts'

export type ResolveRouteDeps = {
  readonly reading: Reading
  readonly rightsOf: RightsOf
  readonly cursors: PageCursors
  readonly resolve: Resolve
  /** What the overlay knows of each, in the same order. */
  readonly overlayOf: (versions: readonly KnownVersion[]) => Promise<readonly object[]>
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

export type Resolve = (
  reader: Reader,
  question: { readonly versionId: string } | { readonly datasetId: string },
  page: { readonly limit: number; readonly below: VersionPosition | null },
) => Promise<VersionPage>

export const RESOLVE_LIMIT_MAX = 100
const DATASET_CHARS_MAX = 512

/** Versions of data sets, by their own name or by that of the data set. */
export function resolveRoutes(deps: ResolveRouteDeps): Router {
  const { reading, rightsOf, cursors, resolve, overlayOf, onFailure } = deps
  const routes = Router({ caseSensitive: true })
  const answered = (
    show: (versions: readonly KnownVersion[]) => Promise<readonly object[]>,
  ): RequestHandler =>
    reading(async (request, response, reader) => {
      const asked = readQuery(resolveQuery, request)
      if ('code' in asked) return sendProblem(response, asked)
      const { limit, cursor, versionId, datasetId } = asked.read
      const question = questionOf(versionId, datasetId)
      if (question === undefined) return sendProblem(response, oneOfTwo)
      const page = { route: 'resolve', question, rights: await rightsOf(reader) }
      const below = cursor === undefined ? null : positionShape.safeParse(cursors.read(page, cursor)).data
      if (below === undefined) return sendProblem(response, cursorRefused)
      const versions = await resolve(reader, question, { limit, below })
      response.json({
        items: await show(versions.items),
        limit,
        nextCursor: versions.below && cursors.write(page, { ...versions.below }),
      })
    })
  routes.get(
    '/resolve',
    answered(async versions => versions.map(shown)),
  )
  routes.get(
    '/overlay/resolve',
    answered(async versions => {
      const overlay = await overlayOf(versions)
      return versions.map((version, i) => ({ ...shown(version), overlay: overlay[i] }))
    }),
  )
  routes.use(overlayFailures(onFailure))
  return routes
}

const resolveQuery = z.strictObject({
  versionId: hash.exactOptional(),
  datasetId: storedText(DATASET_CHARS_MAX).min(1).exactOptional(),
  limit: pageLimit(RESOLVE_LIMIT_MAX),
  cursor: cursorText.exactOptional(),
})

const positionShape = z.strictObject({ knownMs: z.number(), versionId: hash })

function questionOf(versionId: string | undefined, datasetId: string | undefined) {
  if (versionId === undefined) return datasetId === undefined ? undefined : { datasetId }
  return datasetId === undefined ? { versionId } : undefined
}

const oneOfTwo = bad(
  'the query names neither versionId nor datasetId, or both of them',
  'name one of the two',
)

function shown(version: KnownVersion) {
  const { contentHash, certificate, supersededBy } = version
  return {
    ...version,
    contentHash: `sha256:${contentHash}`,
    isSuperseded: supersededBy.length > 0,
    isRevoked: certificate?.state === 'revoked',
  }
}
