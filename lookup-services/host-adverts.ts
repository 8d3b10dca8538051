import { readHostAddress } from '../src/contract/host-address.ts'
import { type HostAdvertKind, readHostAdvert } from '../src/contract/host-advert.ts'
import { baseLookupServices, baseTopics } from '../src/contract/names.ts'
import { hostAdvertsLookupDocumentation } from './host-adverts-documentation.ts'
import type { HostAdvertsIndex } from './host-adverts-index.ts'
import { readHostAdvertsQuery } from './host-adverts-query.ts'
import {
  type AdmittedOutput,
  type LookupFormula,
  type LookupMetaData,
  type LookupQuestion,
  type LookupService,
  type OutputSpend,
  scriptOf,
} from './lookup-service.ts'

/** `ls_ship` and `ls_slap`: which hosts take transactions for a topic, and which answer for a lookup service. */
export class HostAdvertsLookupService implements LookupService {
  readonly admissionMode = 'locking-script'
  readonly spendNotificationMode = 'txid'
  readonly takesBytes = true
  readonly answersInPart = true
  readonly #kind: HostAdvertKind
  readonly #index: HostAdvertsIndex
  readonly #informationUrl: string | undefined

  constructor(
    kind: HostAdvertKind,
    index: HostAdvertsIndex,
    { informationUrl }: { readonly informationUrl?: string } = {},
  ) {
    this.#kind = kind
    this.#index = index
    this.#informationUrl = informationUrl
  }

  async outputAdmittedByTopic(output: AdmittedOutput): Promise<void> {
    if (output.mode !== 'locking-script' || output.topic !== topics[this.#kind]) return
    const advert = readHostAdvert(scriptOf(output))
    if (!advert.ok) return
    const base = readHostAddress(advert.value.domain)?.base ?? advert.value.domain
    await this.#index.put({ txid: output.txid, vout: output.outputIndex, ...advert.value, base })
  }

  /** Spent is withdrawn. What its spender's eviction gives back is admitted again, and told again. */
  async outputSpent(spend: OutputSpend): Promise<void> {
    if (spend.mode === 'txid' && spend.topic === topics[this.#kind])
      await this.#index.remove({ txid: spend.txid, vout: spend.outputIndex })
  }

  async outputUnspent(): Promise<void> {}

  async outputNoLongerRetainedInHistory(txid: string, outputIndex: number, topic: string): Promise<void> {
    if (topic === topics[this.#kind]) await this.#index.remove({ txid, vout: outputIndex })
  }

  async outputEvicted(txid: string, outputIndex: number): Promise<void> {
    await this.#index.remove({ txid, vout: outputIndex })
  }

  async lookup({ query }: LookupQuestion): Promise<LookupFormula> {
    const asked = readHostAdvertsQuery(this.#kind, services[this.#kind], query)
    const found = asked === undefined ? [] : await this.#index.find(asked)
    return found.map(({ txid, vout }) => ({ txid, outputIndex: vout }))
  }

  async getDocumentation(): Promise<string> {
    return hostAdvertsLookupDocumentation(this.#kind)
  }

  async getMetaData(): Promise<LookupMetaData> {
    return {
      name: `${this.#kind} adverts`,
      shortDescription:
        this.#kind === 'SHIP'
          ? 'Finds hosts that take transactions for a topic.'
          : 'Finds hosts that answer for a lookup service.',
      version: '1.0.0',
      ...(this.#informationUrl !== undefined && { informationURL: this.#informationUrl }),
    }
  }
}

const topics: Record<HostAdvertKind, string> = { SHIP: baseTopics.ship, SLAP: baseTopics.slap }
const services = { SHIP: baseLookupServices.ship, SLAP: baseLookupServices.slap } as const
