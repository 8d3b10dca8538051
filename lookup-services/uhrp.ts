import { readContentUrl } from '../src/contract/host-address.ts'
import { baseLookupServices, baseTopics } from '../src/contract/names.ts'
import { readUhrpAdvert } from '../src/contract/uhrp-advert.ts'
import { ListingService } from './listing-service.ts'
import { type AdmittedScript, scriptOf } from './lookup-service.ts'
import { uhrpLookupDocumentation } from './uhrp-documentation.ts'
import type { UhrpEntry, UhrpIndex } from './uhrp-index.ts'
import { readUhrpQuery } from './uhrp-query.ts'

export type UhrpLookupOptions = {
  /** Milliseconds; what has expired by then is left out. */
  now(): number
  readonly informationUrl?: string
}

/** `ls_uhrp`: who keeps the content with this hash, and where. */
export class UhrpLookupService extends ListingService<UhrpEntry> {
  constructor(index: UhrpIndex, { now, informationUrl }: UhrpLookupOptions) {
    super({
      topics: [baseTopics.uhrp],
      index,
      entryIn: advertIn,
      find: async query => {
        const found = await index.find(readUhrpQuery(baseLookupServices.uhrp, query, now()))
        return found.map(({ txid, vout }) => ({ txid, outputIndex: vout }))
      },
      answersInPart: true,
      documentation: uhrpLookupDocumentation,
      name: 'UHRP adverts',
      shortDescription: 'Finds hosts that keep the content with a hash.',
      informationUrl,
    })
  }
}

function advertIn(output: AdmittedScript): UhrpEntry | undefined {
  const advert = readUhrpAdvert(scriptOf(output))
  if (!advert.ok) return undefined
  const origin = readContentUrl(advert.value.url)?.origin ?? advert.value.url
  return { txid: output.txid, vout: output.outputIndex, ...advert.value, origin }
}
