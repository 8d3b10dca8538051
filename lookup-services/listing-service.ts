import type {
  AdmittedOutput,
  AdmittedScript,
  LookupFormula,
  LookupMetaData,
  LookupQuestion,
  LookupService,
  OutputSpend,
  UnspentOutput,
} from './lookup-service.ts'
import type { OutputIndex, SpentOutputIndex } from './output-index.ts'

/** A lookup service in its own words: what it lists, and how it is asked. */
export type Listing<Entry> = {
  /** Whose outputs it lists. */
  readonly topics: readonly string[]
  /** One that knows nothing of spends holds adverts: spent is withdrawn. */
  readonly index: OutputIndex<Entry> | SpentOutputIndex<Entry>
  /** Nothing where the output is none that it lists. */
  entryIn(output: AdmittedScript): Entry | undefined
  find(query: unknown): Promise<LookupFormula>
  readonly answersInPart?: true
  documentation(): string
  readonly name: string
  readonly shortDescription: string
  readonly informationUrl?: string | undefined
}

/** Lists the outputs of some topics as they are admitted, spent and forgotten. */
export class ListingService<Entry> implements LookupService {
  readonly admissionMode = 'locking-script'
  readonly spendNotificationMode = 'txid'
  readonly takesBytes = true
  readonly answersInPart?: true
  readonly #listing: Listing<Entry>

  constructor(listing: Listing<Entry>) {
    this.#listing = listing
    if (listing.answersInPart) this.answersInPart = true
  }

  async outputAdmittedByTopic(output: AdmittedOutput): Promise<void> {
    if (output.mode !== 'locking-script' || !this.#lists(output.topic)) return
    const entry = this.#listing.entryIn(output)
    if (entry !== undefined) await this.#listing.index.put(entry)
  }

  async outputSpent(spend: OutputSpend): Promise<void> {
    if (spend.mode !== 'txid' || !this.#lists(spend.topic)) return
    const { index } = this.#listing
    const outpoint = { txid: spend.txid, vout: spend.outputIndex }
    if ('markSpent' in index) await index.markSpent(outpoint, spend.spendingTxid)
    else await index.remove(outpoint)
  }

  /** What was removed when it was spent is admitted again, and told again. */
  async outputUnspent({ txid, outputIndex, topic, spendingTxid }: UnspentOutput): Promise<void> {
    const { index } = this.#listing
    if (this.#lists(topic) && 'markUnspent' in index)
      await index.markUnspent({ txid, vout: outputIndex }, spendingTxid)
  }

  async outputNoLongerRetainedInHistory(txid: string, outputIndex: number, topic: string): Promise<void> {
    if (this.#lists(topic)) await this.#listing.index.remove({ txid, vout: outputIndex })
  }

  async outputEvicted(txid: string, outputIndex: number): Promise<void> {
    await this.#listing.index.remove({ txid, vout: outputIndex })
  }

  async lookup({ query }: LookupQuestion): Promise<LookupFormula> {
    return this.#listing.find(query)
  }

  async getDocumentation(): Promise<string> {
    return this.#listing.documentation()
  }

  async getMetaData(): Promise<LookupMetaData> {
    const { name, shortDescription, informationUrl } = this.#listing
    return {
      ...{ name, shortDescription, version: '1.0.0' },
      ...(informationUrl !== undefined && { informationURL: informationUrl }),
    }
  }

  #lists(topic: string): boolean {
    return this.#listing.topics.includes(topic)
  }
}
