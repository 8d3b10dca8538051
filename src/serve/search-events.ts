import type { Reader } from '../core/registry/may-read.ts'
import { type EventPage, type Looked, type Position, takePage } from './event-page.ts'
import type { EventQuestion, ListedEvent, Reach } from './event-question.ts'
import type { Criterion, SearchQuestion } from './search-question.ts'

type From = { readonly below: Position | null; readonly wanted: number }
type Sourced = EventQuestion & { readonly sourceIds?: readonly string[] }

/** What is searched in. */
export type SearchPorts<Found, Fields extends { readonly sinceMs: number | null }> = {
  byId(reader: Reader, eventId: string): Promise<readonly ListedEvent[] | 'behind'>
  byNativeId(reader: Reader, nativeId: string, sourceId: string | undefined): Promise<readonly ListedEvent[]>
  inPackets(
    reader: Reader,
    packet: Pick<SearchQuestion, 'contentHash' | 'versionId'>,
    from: From,
  ): Promise<readonly Looked<Found>[]>
  look(reader: Reader, question: Sourced, from: From): Promise<readonly Looked<Found>[]>
  /** Undefined where no stream that may be read has all of the fields. */
  searchedFields(
    reader: Reader,
    criteria: readonly Criterion[],
    streamId: string | undefined,
  ): Promise<Fields | 'too-many-streams' | undefined>
  lookForTerms(
    fields: Fields,
    question: Sourced,
    criteria: readonly Criterion[],
    from: From,
  ): Promise<readonly Looked<Found>[]>
  /** In the same order, without those that may not be read any more. */
  list(reader: Reader, events: readonly Found[]): Promise<readonly ListedEvent[]>
  /** Of a publisher; one more than `sourcesMax`, where there are more. */
  sourcesOf(reader: Reader, publisher: string): Promise<readonly string[]>
  readonly sourcesMax: number
  reach(reader: Reader, question: EventQuestion): Promise<Reach>
}

export type SearchOutcome =
  | (EventPage<ListedEvent> & {
      readonly kind: 'page'
      readonly reach: Reach
      /** Payloads that came before it are not searched; null where all are, or none was to be. */
      readonly payloadsSinceMs: number | null
    })
  /** So much is not projected yet that it cannot be said. */
  | { readonly kind: 'behind' }
  /** The publisher has more sources than are searched at once. */
  | { readonly kind: 'too-many-sources' }
  /** No stream that may be read is searched by all that was asked for. */
  | { readonly kind: 'not-searched' }
  /** More streams are searched by what is asked for than are looked at together. */
  | { readonly kind: 'too-many-streams' }

/** Events that fit all that is asked, the newest first. What leads to the fewest is looked for, and the rest compared. */
export async function searchEvents<Found, Fields extends { readonly sinceMs: number | null }>(
  ports: SearchPorts<Found, Fields>,
  reader: Reader,
  question: SearchQuestion,
  { limit, below }: { readonly limit: number; readonly below: Position | null },
): Promise<SearchOutcome> {
  const sourceIds = await sourcesAsked(ports, reader, question)
  if (sourceIds === 'too-many-sources') return { kind: sourceIds }
  const asked: Sourced = { ...question, ...(sourceIds !== undefined && { sourceIds }) }
  // Asked first: what is reached by then can be found.
  const reach = await ports.reach(reader, question)
  const from = { below, wanted: limit + 1 }
  const fields = await fieldsAsked(ports, reader, question)
  if (fields === 'not-searched' || fields === 'too-many-streams') return { kind: fields }
  const payloadsSinceMs = fields?.sinceMs ?? null
  const page = (events: EventPage<ListedEvent>): SearchOutcome => ({
    kind: 'page',
    ...events,
    reach,
    payloadsSinceMs,
  })
  if (sourceIds?.length === 0) return page({ items: [], below: null })

  const { eventId, nativeId, contentHash, versionId, sourceId, criteria } = question
  if (eventId !== undefined || nativeId !== undefined) {
    const named =
      eventId === undefined
        ? await ports.byNativeId(reader, nativeId ?? '', sourceId)
        : await ports.byId(reader, eventId)
    if (named === 'behind') return { kind: named }
    const fitting = named.filter(event => fits(event, asked) && fitsNames(event, question))
    return page(pageOfNamed(fitting, { limit, below }))
  }
  if (contentHash !== undefined || versionId !== undefined) {
    const taken = takePage(await ports.inPackets(reader, question, from), { limit })
    const items = await ports.list(reader, taken.items)
    return page({ items: items.filter(event => fits(event, asked)), below: taken.below })
  }
  const looked =
    fields === undefined
      ? await ports.look(reader, asked, from)
      : await ports.lookForTerms(fields, asked, criteria, from)
  const taken = takePage(looked, { limit })
  return page({ items: await ports.list(reader, taken.items), below: taken.below })
}

/** A short list, whose pages are told by how many came before. */
function pageOfNamed<Item>(
  named: readonly Item[],
  { limit, below }: { readonly limit: number; readonly below: Position | null },
): EventPage<Item> {
  const end = (below?.seq ?? 0) + limit
  return {
    items: named.slice(end - limit, end),
    below: named.length > end ? { ingestMs: 0, partitionId: 0, seq: end } : null,
  }
}

async function sourcesAsked<Found, Fields extends { readonly sinceMs: number | null }>(
  { sourcesOf, sourcesMax }: SearchPorts<Found, Fields>,
  reader: Reader,
  { publisher, sourceId }: SearchQuestion,
): Promise<readonly string[] | 'too-many-sources' | undefined> {
  if (publisher === undefined) return sourceId === undefined ? undefined : [sourceId]
  const theirs = await sourcesOf(reader, publisher)
  if (sourceId !== undefined) return theirs.filter(id => id === sourceId)
  return theirs.length > sourcesMax ? 'too-many-sources' : theirs
}

async function fieldsAsked<Found, Fields extends { readonly sinceMs: number | null }>(
  { searchedFields }: SearchPorts<Found, Fields>,
  reader: Reader,
  { criteria, streamId }: SearchQuestion,
): Promise<Fields | 'not-searched' | 'too-many-streams' | undefined> {
  if (criteria.length === 0) return undefined
  return (await searchedFields(reader, criteria, streamId)) ?? 'not-searched'
}

function fits(
  event: ListedEvent,
  { streamId, sourceIds, type, level, states, fromMs, untilMs }: Sourced,
): boolean {
  return (
    (streamId === undefined || event.streamId === streamId) &&
    (sourceIds === undefined || sourceIds.includes(event.sourceId)) &&
    (type === undefined || event.type === type) &&
    (level === undefined || event.level === level) &&
    (states === undefined || states.includes(event.state)) &&
    (fromMs === undefined || event.ingestTimeMs >= fromMs) &&
    (untilMs === undefined || event.ingestTimeMs < untilMs)
  )
}

function fitsNames(event: ListedEvent, { nativeId, contentHash, versionId }: SearchQuestion): boolean {
  return (
    (nativeId === undefined || event.nativeId === nativeId) &&
    (contentHash === undefined || event.contentHash === contentHash) &&
    (versionId === undefined || event.versionId === versionId)
  )
}
