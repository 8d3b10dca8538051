import { sha256Hex } from '#sha256'
import { BEEF_BYTES_MAX, type Beef } from '../src/contract/beef.ts'
import { carriedBy, EVENTS_OFF_CHAIN_BYTES_MAX, readEventBatch } from '../src/contract/event-batch.ts'
import { type TokenOf, tagOf } from '../src/contract/tokens.ts'
import { isSettledForm, type Transaction } from '../src/contract/transaction.ts'
import { admitNumbers } from './admit-numbers.ts'
import { type EventsIngestBounds, eventsIngestDocumentation } from './events-ingest-documentation.ts'
import type { AdmittanceInstructions, TopicManager, TopicMetaData } from './topic-manager.ts'

/** Reading one costs two operations on the curve; a BEEF of the default size holds about fifteen full ones. */
export const BATCHES_PER_TRANSACTION_MAX = 64

export type EventsIngestOptions = {
  readonly offChainBytesMax?: number
  readonly batchesMax?: number
  readonly beefBytesMax?: number
  /** Where people read about the host that mounts this; shown in the metadata. */
  readonly informationUrl?: string
}

/** `tm_gitdata_events_ingest`: batches of events that publishers submit as `GDE1` tokens. */
export class EventsIngestTopicManager implements TopicManager {
  readonly #bounds: EventsIngestBounds
  readonly #informationUrl: string | undefined

  constructor({
    offChainBytesMax = EVENTS_OFF_CHAIN_BYTES_MAX,
    batchesMax = BATCHES_PER_TRANSACTION_MAX,
    beefBytesMax = BEEF_BYTES_MAX,
    informationUrl,
  }: EventsIngestOptions = {}) {
    this.#bounds = { offChainBytesMax, batchesMax, beefBytesMax }
    this.#informationUrl = informationUrl
  }

  admit(beef: Beef, previousCoins: readonly number[], offChainValues?: Uint8Array): AdmittanceInstructions {
    // A spent batch stays on record: that its publisher took the satoshi back does not unsay it.
    const coinsToRetain = [...previousCoins]
    const batches = batchesOf(beef.subject, this.#bounds.batchesMax)
    // All or none: admitted in part, the transaction would be a duplicate when it comes again with its values.
    return this.#areHere(offChainSubjects(batches), offChainValues)
      ? { outputsToAdmit: batches.map(({ vout }) => vout), coinsToRetain }
      : { outputsToAdmit: [], coinsToRetain }
  }

  concerns({ outputs }: Transaction): boolean {
    return outputs.some(({ script }) => tagOf(script) === 'GDE1')
  }

  async identifyAdmissibleOutputs(
    beef: number[],
    previousCoins: number[],
    offChainValues?: number[],
  ): Promise<AdmittanceInstructions> {
    return admitNumbers(this, this.#bounds.beefBytesMax, beef, previousCoins, offChainValues)
  }

  async getDocumentation(): Promise<string> {
    return eventsIngestDocumentation(this.#bounds)
  }

  async getMetaData(): Promise<TopicMetaData> {
    return {
      name: 'Event batches',
      shortDescription: 'Takes signed batches of events that publishers submit as overlay transactions.',
      version: '1.0.0',
      ...(this.#informationUrl !== undefined && { informationURL: this.#informationUrl }),
    }
  }

  #areHere(subjects: readonly string[], offChainValues: Uint8Array | undefined): boolean {
    if (subjects.length === 0) return true
    if (offChainValues === undefined || offChainValues.length > this.#bounds.offChainBytesMax) return false
    const hash = sha256Hex(offChainValues)
    return subjects.every(subject => subject === hash)
  }
}

type Batch = { readonly vout: number; readonly token: TokenOf<'GDE1'> }

/** Every sound batch in the outputs; none at all of a transaction that others may still change, or that is crowded. */
function batchesOf(transaction: Transaction, batchesMax: number): Batch[] {
  if (!isSettledForm(transaction)) return []
  const meant = [...transaction.outputs.entries()].filter(
    ([, { script, satoshis }]) => satoshis >= 1 && tagOf(script) === 'GDE1',
  )
  if (meant.length > batchesMax) return []
  return meant.flatMap(([vout, { script }]) => {
    const token = readEventBatch(script)
    return token === undefined ? [] : [{ vout, token }]
  })
}

/** Of the batches that travel beside the transaction: what their bytes must hash to. */
function offChainSubjects(batches: readonly Batch[]): string[] {
  return batches.flatMap(({ token }) => (carriedBy(token.body) === 'off-chain' ? [token.subject] : []))
}
