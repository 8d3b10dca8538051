import { carriedBy, readEventBatch } from '../src/contract/event-batch.ts'
import { baseLookupServices, baseTopics } from '../src/contract/names.ts'
import { utf8 } from '../src/core/bytes.ts'
import { cursorOf } from './cursor.ts'
import { eventsLookupDocumentation } from './events-documentation.ts'
import type { EventBatchEntry, EventsIndex, ListedBatch } from './events-index.ts'
import { readEventsQuery } from './events-query.ts'
import {
  type AdmittedOutput,
  type LookupFormula,
  type LookupMetaData,
  type LookupQuestion,
  type LookupService,
  type OutputSpend,
  scriptOf,
  type UnspentOutput,
} from './lookup-service.ts'

/** `ls_gitdata_events`: finds admitted batches by publisher, stream, source, hash and time. */
export class EventsLookupService implements LookupService {
  readonly admissionMode = 'locking-script'
  readonly spendNotificationMode = 'txid'
  readonly takesBytes = true
  readonly #index: EventsIndex
  readonly #informationUrl: string | undefined

  constructor(index: EventsIndex, { informationUrl }: { readonly informationUrl?: string } = {}) {
    this.#index = index
    this.#informationUrl = informationUrl
  }

  async outputAdmittedByTopic(output: AdmittedOutput): Promise<void> {
    const batch = batchIn(output)
    if (batch !== undefined) await this.#index.put(batch)
  }

  async outputSpent(spend: OutputSpend): Promise<void> {
    if (spend.mode === 'txid' && spend.topic === topic)
      await this.#index.markSpent({ txid: spend.txid, vout: spend.outputIndex }, spend.spendingTxid)
  }

  async outputUnspent(output: UnspentOutput): Promise<void> {
    if (output.topic === topic)
      await this.#index.markUnspent({ txid: output.txid, vout: output.outputIndex }, output.spendingTxid)
  }

  async outputNoLongerRetainedInHistory(txid: string, outputIndex: number, of: string): Promise<void> {
    if (of === topic) await this.#index.remove({ txid, vout: outputIndex })
  }

  async outputEvicted(txid: string, outputIndex: number): Promise<void> {
    await this.#index.remove({ txid, vout: outputIndex })
  }

  async lookup({ query }: LookupQuestion): Promise<LookupFormula> {
    const found = await this.#index.find(readEventsQuery(service, query))
    return found.map(batch => ({ txid: batch.txid, outputIndex: batch.vout, context: contextOf(batch) }))
  }

  async getDocumentation(): Promise<string> {
    return eventsLookupDocumentation()
  }

  async getMetaData(): Promise<LookupMetaData> {
    return {
      name: 'Event batches',
      shortDescription: 'Finds submitted batches of events by publisher, stream, source, hash and time.',
      version: '1.0.0',
      ...(this.#informationUrl !== undefined && { informationURL: this.#informationUrl }),
    }
  }
}

const topic = baseTopics.ingest
const service = baseLookupServices.events

function batchIn(output: AdmittedOutput): EventBatchEntry | undefined {
  if (output.mode !== 'locking-script' || output.topic !== topic) return undefined
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
