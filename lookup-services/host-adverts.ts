import { readHostAddress } from '../src/contract/host-address.ts'
import { type HostAdvertKind, readHostAdvert } from '../src/contract/host-advert.ts'
import { baseLookupServices, baseTopics } from '../src/contract/names.ts'
import { hostAdvertsLookupDocumentation } from './host-adverts-documentation.ts'
import type { HostAdvertEntry, HostAdvertsIndex } from './host-adverts-index.ts'
import { readHostAdvertsQuery } from './host-adverts-query.ts'
import { ListingService } from './listing-service.ts'
import { type AdmittedScript, scriptOf } from './lookup-service.ts'

/** `ls_ship` and `ls_slap`: which hosts take transactions for a topic, and which answer for a lookup service. */
export class HostAdvertsLookupService extends ListingService<HostAdvertEntry> {
  constructor(
    kind: HostAdvertKind,
    index: HostAdvertsIndex,
    { informationUrl }: { readonly informationUrl?: string } = {},
  ) {
    super({
      topics: [topics[kind]],
      index,
      entryIn: advertIn,
      find: async query => {
        const asked = readHostAdvertsQuery(kind, services[kind], query)
        const found = asked === undefined ? [] : await index.find(asked)
        return found.map(({ txid, vout }) => ({ txid, outputIndex: vout }))
      },
      answersInPart: true,
      documentation: () => hostAdvertsLookupDocumentation(kind),
      name: `${kind} adverts`,
      shortDescription:
        kind === 'SHIP'
          ? 'Finds hosts that take transactions for a topic.'
          : 'Finds hosts that answer for a lookup service.',
      informationUrl,
    })
  }
}

const topics: Record<HostAdvertKind, string> = { SHIP: baseTopics.ship, SLAP: baseTopics.slap }
const services = { SHIP: baseLookupServices.ship, SLAP: baseLookupServices.slap } as const

function advertIn(output: AdmittedScript): HostAdvertEntry | undefined {
  const advert = readHostAdvert(scriptOf(output))
  if (!advert.ok) return undefined
  const base = readHostAddress(advert.value.domain)?.base ?? advert.value.domain
  return { txid: output.txid, vout: output.outputIndex, ...advert.value, base }
}
