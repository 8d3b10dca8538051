import type { Request } from 'express'
import type { Pool } from 'pg'
import type { FindEvent } from '../adapters/projections/find-event.ts'
import { findById, findByNativeId } from '../adapters/reading/find-by-id.ts'
import { listEvents } from '../adapters/reading/list-events.ts'
import { lookForEvents, type ProjectedEvent } from '../adapters/reading/look-for-events.ts'
import { lookForTerms } from '../adapters/reading/look-for-terms.ts'
import { lookInPackets } from '../adapters/reading/look-in-packets.ts'
import { certificatesOf, mirrorsOf } from '../adapters/reading/overlay-places.ts'
import { openPageCursors } from '../adapters/reading/page-cursors.ts'
import { readReach } from '../adapters/reading/read-reach.ts'
import { resolveVersions } from '../adapters/reading/resolve-versions.ts'
import { openRightsOf } from '../adapters/reading/rights.ts'
import { findSearchedFields, type SearchedFields } from '../adapters/reading/searched-fields.ts'
import { PUBLISHER_SOURCES_MAX, sourcesOf } from '../adapters/reading/sources-of.ts'
import { uhrpUrlOf } from '../contract/uhrp-url.ts'
import type { NodeAppParts } from '../http/app.ts'
import { limitAtOnce } from '../http/limit-at-once.ts'
import { openAnswerCache } from '../http/read/answer-cache.ts'
import { feedRoutes } from '../http/read/feed-routes.ts'
import type { Reading } from '../http/read/reading.ts'
import { resolveRoutes } from '../http/read/resolve-routes.ts'
import { searchRoutes } from '../http/read/search-routes.ts'
import { tellBusyProblem } from '../http/send-problem.ts'
import type { Settings } from '../runtime/settings.ts'
import { listFeed } from '../serve/list-feed.ts'
import { type SearchPorts, searchEvents } from '../serve/search-events.ts'

export type NodeQueryDeps = {
  /** Of connections for what others ask, and with a time for each statement: nobody's question keeps events from coming in. */
  readonly pool: Pool
  readonly masterKey: Uint8Array
  readonly findEvent: FindEvent
  readonly reading: Reading
  now(): number
  onFailure(error: unknown, request: Request): void
}

/** Whoever comes beyond them is told to come again. */
const QUESTIONS_AT_ONCE_MAX = 128
const ANSWER_MS_MAX = 60_000

/** What can be asked for: the feed, search, and versions. */
export function queryRoutes(
  { FEED_CACHE_TTL_MS: cacheTtlMs }: Pick<Settings, 'FEED_CACHE_TTL_MS'>,
  { pool, masterKey, findEvent, reading, now, onFailure }: NodeQueryDeps,
): NodeAppParts['routes'] {
  const places = limitAtOnce(QUESTIONS_AT_ONCE_MAX, ANSWER_MS_MAX, { tellBusy: tellBusyProblem })
  const bounded: Reading = handle =>
    reading((request, response, reader) => places(response, async () => handle(request, response, reader)))
  const frame = {
    reading: bounded,
    rightsOf: openRightsOf(pool),
    cursors: openPageCursors(masterKey),
    onFailure,
  }
  const ports = searchPorts(pool, findEvent)
  return [
    feedRoutes({
      ...{ ...frame, cacheTtlMs, cache: openAnswerCache(cacheTtlMs) },
      listFeed: (reader, question, page) => listFeed(ports, reader, question, page),
    }),
    searchRoutes({
      ...frame,
      search: (reader, question, page) => searchEvents(ports, reader, question, page),
      async overlayOf(events) {
        const known = events.flatMap(({ versionId }) => versionId ?? [])
        const certificates = await certificatesOf(pool, known)
        const content = await contentOf(
          pool,
          events.map(({ contentHash }) => contentHash),
          now(),
        )
        return events.map(({ versionId }, i) => ({
          certificate: (versionId !== null && certificates.get(versionId)) || null,
          ...content[i],
        }))
      },
    }),
    resolveRoutes({
      ...frame,
      resolve: (reader, question, page) => resolveVersions(pool, reader, question, page),
      overlayOf: versions =>
        contentOf(
          pool,
          versions.map(({ contentHash }) => contentHash),
          now(),
        ),
    }),
  ]
}

/** All that a question is answered from. */
export function searchPorts(pool: Pool, findEvent: FindEvent): SearchPorts<ProjectedEvent, SearchedFields> {
  return {
    byId: (reader, eventId) => findById(pool, findEvent, reader, eventId),
    byNativeId: (reader, nativeId, sourceId) => findByNativeId(pool, reader, nativeId, sourceId),
    inPackets: (reader, packet, from) => lookInPackets(pool, reader, packet, from),
    look: (reader, question, from) => lookForEvents(pool, { reader, question, ...from }),
    searchedFields: (reader, criteria, streamId) => findSearchedFields(pool, reader, criteria, streamId),
    lookForTerms: (fields, question, criteria, from) =>
      lookForTerms(pool, fields, { question, criteria, ...from }),
    list: (reader, events) => listEvents(pool, reader, events),
    sourcesOf: (reader, publisher) => sourcesOf(pool, reader, publisher),
    sourcesMax: PUBLISHER_SOURCES_MAX,
    reach: (reader, question) => readReach(pool, reader, question),
  }
}

/** Where content can be had, as far as the overlay says; null where there is none. */
async function contentOf(pool: Pool, hashes: readonly (string | null)[], nowMs: number) {
  const mirrors = await mirrorsOf(
    pool,
    hashes.flatMap(hash => hash ?? []),
    nowMs,
  )
  return hashes.map(hash => ({
    uhrpUrl: hash && uhrpUrlOf(hash),
    mirrors: (hash !== null && mirrors.get(hash)) || [],
  }))
}
