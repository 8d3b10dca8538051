import { carriedBy, readEventBatch } from '../src/contract/event-batch.ts'
import { baseLookupServices, baseTopics } from '../src/contract/names.ts'
import { utf8 } from '../src/core/bytes.ts'
import { cursorOf } from './cursor.ts'
import { eventsLookupDocumentation } from './events-documentation.ts'
import type { EventBatchEntry, EventsIndex, ListedBatch } from './events-index.ts'
import { readEventsQuery } from './events-query.ts'
import { ListingService } from './listing-service.ts'
import { type AdmittedScript, scriptOf } from './lookup-service.ts'

/** `ls_gitdata_events`: finds admitted batches by publisher, stream, source, hash and time. */
export class EventsLookupService extends ListingService<EventBatchEntry> {
  constructor(index: EventsIndex, { informationUrl }: { readonly informationUrl?: string } = {}) {
    super({
      topics: [baseTopics.ingest],
      index,
      entryIn: batchIn,
      find: async query => {
        const found = await index.find(readEventsQuery(baseLookupServices.events, query))
        return found.map(batch => ({ txid: batch.txid, outputIndex: batch.vout, context: contextOf(batch) }))
      },
      documentation: eventsLookupDocumentation,
      name: 'Event batches',
      shortDescription: 'Finds submitted batches of events by publisher, stream, source, hash and time.',
      informationUrl,
    })
  }
}

function batchIn(output: AdmittedScript): EventBatchEntry | undefined {
  const token = readEventBatch(scriptOf(output))
  if (token === undefined) return undefined
  const { issuer, subject, body } = token
  const { streamId, sourceId, count } = body
  const { txid, outputIndex: vout } = output
  return { txid, vout, publisher: issuer, streamId, sourceId, subject, count, carried: carriedBy(body) }
}

/** An overlay answer has room for nothing but outputs, each with a context: also the place of the next page is there. */
function contextOf(batch: ListedBatch): number[] {
  const { admittedMs, publisher, streamId, sourceId, subject, count, carried, spent } = batch
  const cursor = cursorOf(batch)
  const said = { admittedMs, cursor, publisher, streamId, sourceId, subject, count, carried, spent }
  return [...utf8(JSON.stringify(said))]
}
