import { readContentUrl } from '../src/contract/host-address.ts'
import { baseLookupServices, baseTopics } from '../src/contract/names.ts'
import { readUhrpAdvert } from '../src/contract/uhrp-advert.ts'
import {
  type AdmittedOutput,
  type LookupFormula,
  type LookupMetaData,
  type LookupQuestion,
  type LookupService,
  type OutputSpend,
  scriptOf,
} from './lookup-service.ts'
import { uhrpLookupDocumentation } from './uhrp-documentation.ts'
import type { UhrpIndex } from './uhrp-index.ts'
import { readUhrpQuery } from './uhrp-query.ts'

export type UhrpLookupOptions = {
  /** Milliseconds; what has expired by then is left out. */
  now(): number
  readonly informationUrl?: string
}

/** `ls_uhrp`: who keeps the content with this hash, and where. */
export class UhrpLookupService implements LookupService {
  readonly admissionMode = 'locking-script'
  readonly spendNotificationMode = 'txid'
  readonly takesBytes = true
  readonly answersInPart = true
  readonly #index: UhrpIndex
  readonly #options: UhrpLookupOptions

  constructor(index: UhrpIndex, options: UhrpLookupOptions) {
    this.#index = index
    this.#options = options
  }

  async outputAdmittedByTopic(output: AdmittedOutput): Promise<void> {
    if (output.mode !== 'locking-script' || output.topic !== topic) return
    const advert = readUhrpAdvert(scriptOf(output))
    if (!advert.ok) return
    const origin = readContentUrl(advert.value.url)?.origin ?? advert.value.url
    await this.#index.put({ txid: output.txid, vout: output.outputIndex, ...advert.value, origin })
  }

  /** Spent is withdrawn. What its spender's eviction gives back is admitted again, and told again. */
  async outputSpent(spend: OutputSpend): Promise<void> {
    if (spend.mode === 'txid' && spend.topic === topic)
      await this.#index.remove({ txid: spend.txid, vout: spend.outputIndex })
  }

  async outputUnspent(): Promise<void> {}

  async outputNoLongerRetainedInHistory(txid: string, outputIndex: number, of: string): Promise<void> {
    if (of === topic) await this.#index.remove({ txid, vout: outputIndex })
  }

  async outputEvicted(txid: string, outputIndex: number): Promise<void> {
    await this.#index.remove({ txid, vout: outputIndex })
  }

  async lookup({ query }: LookupQuestion): Promise<LookupFormula> {
    const found = await this.#index.find(readUhrpQuery(service, query, this.#options.now()))
    return found.map(({ txid, vout }) => ({ txid, outputIndex: vout }))
  }

  async getDocumentation(): Promise<string> {
    return uhrpLookupDocumentation()
  }

  async getMetaData(): Promise<LookupMetaData> {
    const { informationUrl } = this.#options
    return {
      name: 'UHRP adverts',
      shortDescription: 'Finds hosts that keep the content with a hash.',
      version: '1.0.0',
      ...(informationUrl !== undefined && { informationURL: informationUrl }),
    }
  }
}

const topic = baseTopics.uhrp
const service = baseLookupServices.uhrp
