import { BEEF_BYTES_MAX, type Beef } from '../src/contract/beef.ts'
import type { Transaction } from '../src/contract/transaction.ts'
import { admitNumbers } from './admit-numbers.ts'
import type { AdmittanceInstructions, TopicManager, TopicMetaData } from './topic-manager.ts'

/** Reading one costs two operations on the curve or more; a node that hosts everything needs about twenty. */
export const ADVERTS_PER_TRANSACTION_MAX = 64

export type AdvertTopicOptions = {
  readonly advertsMax?: number
  readonly beefBytesMax?: number
  /** Also takes addresses that others cannot reach: without TLS, or on one's own machine or network. For tests at home. */
  readonly allowLocal?: boolean
  /** Where people read about the host that mounts this; shown in the metadata. */
  readonly informationUrl?: string
}

export type AdvertBounds = Required<Omit<AdvertTopicOptions, 'informationUrl'>>

/** What makes one topic of adverts another than the next. */
export type AdvertTopic = {
  /** From its first bytes. */
  means(script: Uint8Array): boolean
  isSound(script: Uint8Array, bounds: AdvertBounds): boolean
  /** None of a transaction's are admitted where it says no. */
  takes?(transaction: Transaction): boolean
  /** Whether what is spent stays on record. */
  readonly keepsHistory: boolean
  documentation(bounds: AdvertBounds): string
  readonly metaData: Pick<TopicMetaData, 'name' | 'shortDescription' | 'version'>
}

/**
 * Adverts are judged one by one, each on its script alone: no clock, so that an expired one is for lookups to leave out,
 * and no table, so that two equal ones are both admitted.
 */
export class AdvertTopicManager implements TopicManager {
  readonly #topic: AdvertTopic
  readonly #bounds: AdvertBounds
  readonly #informationUrl: string | undefined

  constructor(
    topic: AdvertTopic,
    {
      advertsMax = ADVERTS_PER_TRANSACTION_MAX,
      beefBytesMax = BEEF_BYTES_MAX,
      allowLocal = false,
      informationUrl,
    }: AdvertTopicOptions = {},
  ) {
    this.#topic = topic
    this.#bounds = { advertsMax, beefBytesMax, allowLocal }
    this.#informationUrl = informationUrl
  }

  admit({ subject }: Beef, previousCoins: readonly number[]): AdmittanceInstructions {
    const coinsToRetain = this.#topic.keepsHistory ? [...previousCoins] : []
    return { outputsToAdmit: this.#soundOutputs(subject), coinsToRetain }
  }

  concerns({ outputs }: Transaction): boolean {
    return outputs.some(({ script }) => this.#topic.means(script))
  }

  async identifyAdmissibleOutputs(beef: number[], previousCoins: number[]): Promise<AdmittanceInstructions> {
    return admitNumbers(this, this.#bounds.beefBytesMax, beef, previousCoins)
  }

  async getDocumentation(): Promise<string> {
    return this.#topic.documentation(this.#bounds)
  }

  async getMetaData(): Promise<TopicMetaData> {
    return {
      ...this.#topic.metaData,
      ...(this.#informationUrl !== undefined && { informationURL: this.#informationUrl }),
    }
  }

  #soundOutputs(transaction: Transaction): number[] {
    if (this.#topic.takes?.(transaction) === false) return []
    const meant = [...transaction.outputs.entries()].filter(
      ([, { script, satoshis }]) => satoshis >= 1 && this.#topic.means(script),
    )
    if (meant.length > this.#bounds.advertsMax) return []
    return meant.flatMap(([vout, { script }]) => (this.#topic.isSound(script, this.#bounds) ? [vout] : []))
  }
}
