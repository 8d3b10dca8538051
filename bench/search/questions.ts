import { createHash } from 'node:crypto'
import type { Pool } from 'pg'
import { openFindEvent } from '../../src/adapters/projections/find-event.ts'
import { resolveVersions } from '../../src/adapters/reading/resolve-versions.ts'
import { anybody, type Reader } from '../../src/core/registry/may-read.ts'
import { valueTerm } from '../../src/core/search/search-terms.ts'
import { searchPorts } from '../../src/node/node-query.ts'
import { listFeed } from '../../src/serve/list-feed.ts'
import { searchEvents } from '../../src/serve/search-events.ts'
import type { Criterion, SearchQuestion } from '../../src/serve/search-question.ts'
import { LOG, type Preloaded } from './preload.ts'

/** One kind of question, as a route asks it; `nth` makes each a little different. Resolves with how many items it has. */
export type AskedOften = { readonly name: string; ask(pool: Pool, nth: number): Promise<number> }

const LIMIT = 50

export function questionsOf({
  events,
  streams,
  readerKey,
  publisherKey,
  fromMs,
  untilMs,
}: Preloaded): AskedOften[] {
  const perStream = Math.floor(events / streams)
  const sealed = Math.max(1, Math.floor(perStream / 1_000) - 1)
  const middle = Math.floor((fromMs + untilMs) / 2)
  const named: Reader = { identityKey: readerKey, tenantIds: [] }
  const feed = (
    name: string,
    of: (nth: number) => Parameters<typeof listFeed>[2],
    reader = anybody,
    below: Parameters<typeof listFeed>[3]['below'] = null,
  ): AskedOften => ({
    name: `feed: ${name}`,
    async ask(pool, nth) {
      const ports = searchPorts(pool, openFindEvent(pool))
      return (await listFeed(ports, reader, of(nth), { limit: LIMIT, skip: 0, below })).items.length
    },
  })
  const search = (name: string, of: (nth: number) => Partial<SearchQuestion>): AskedOften => ({
    name: `search: ${name}`,
    async ask(pool, nth) {
      const ports = searchPorts(pool, openFindEvent(pool))
      const found = await searchEvents(
        ports,
        anybody,
        { criteria: [], ...of(nth) },
        { limit: LIMIT, below: null },
      )
      if (found.kind !== 'page') throw new Error(`${name}: ${found.kind}`)
      return found.items.length
    },
  })
  const resolve = (name: string, of: (nth: number) => Parameters<typeof resolveVersions>[2]): AskedOften => ({
    name: `resolve: ${name}`,
    ask: async (pool, nth) =>
      (await resolveVersions(pool, anybody, of(nth), { limit: LIMIT, below: null })).items.length,
  })
  const value = (path: string, text: string): Criterion => ({ kind: 'value', path, term: valueTerm(text) })
  const word = (term: string): Criterion => ({ kind: 'words', term })
  return [
    feed('the newest', () => ({})),
    feed('the newest, of a named reader', () => ({}), named),
    feed('from the middle on', () => ({}), anybody, { ingestMs: middle, partitionId: 7, seq: 5 }),
    feed('of a stream', nth => ({ streamId: `stream-${(nth % 24) + 1}` })),
    feed('certified ones', () => ({ states: ['certified', 'anchored', 'proven'] })),
    feed('ones that failed, of which there are none', () => ({ states: ['split'] })),
    search('event id', nth => ({ eventId: sha(`event ${((nth * 7_919) % perStream) * streams}`) })),
    search('native id', nth => ({
      nativeId: `native-${((nth * 101) % Math.floor(perStream / 20)) * 20 * streams}`,
    })),
    search('content hash', nth => ({ contentHash: sha(`content 1 ${nth % sealed}`) })),
    search('version', nth => ({ versionId: sha(`version 1 ${nth % sealed}`) })),
    search('stream', nth => ({ streamId: `stream-${(nth % 24) + 1}` })),
    search('source', nth => ({ sourceId: `source-${nth % 24}` })),
    search('publisher', () => ({ publisher: publisherKey })),
    search('type', nth => ({ type: `reading.${nth % 10}` })),
    search('type that is rare', () => ({ type: 'rare' })),
    search('source and type', nth => ({ sourceId: 'source-3', type: `reading.${nth % 10}` })),
    search('time', nth => ({ fromMs: middle + nth, untilMs: middle + nth + 10 })),
    search('value', nth => ({ criteria: [value('/site', `site-${nth % 20}`)] })),
    search('value that is rare', nth => ({ criteria: [value('/serial', String((nth * 31) % perStream))] })),
    search('word', () => ({ criteria: [word('pump')] })),
    search('words', nth => ({
      criteria: [word('pump'), word(`unit${nth % 1_000}`), value('/site', 'site-3')],
    })),
    resolve('version', nth => ({ versionId: sha(`version ${(nth % 24) + 1} ${nth % sealed}`) })),
    resolve('data set', nth => ({ datasetId: `${LOG}/stream-${(nth % 24) + 1}` })),
  ]
}

function sha(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
