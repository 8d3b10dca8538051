import { readHostAddress } from '../src/contract/host-address.ts'
import { type HostAdvertKind, hostAdvertKindOf, readHostAdvert } from '../src/contract/host-advert.ts'
import { AdvertTopicManager, type AdvertTopicOptions } from './advert-topic.ts'
import { hostAdvertsDocumentation } from './host-adverts-documentation.ts'

/** `tm_ship` and `tm_slap`: who hosts which topic, and who answers for which lookup service. */
export class HostAdvertsTopicManager extends AdvertTopicManager {
  constructor(kind: HostAdvertKind, options?: AdvertTopicOptions) {
    super(
      {
        means: script => hostAdvertKindOf(script) === kind,
        isSound(script, { allowLocal }) {
          const advert = readHostAdvert(script)
          if (!advert.ok) return false
          return allowLocal || readHostAddress(advert.value.domain)?.isLocal === false
        },
        keepsHistory: false,
        documentation: bounds => hostAdvertsDocumentation(kind, bounds),
        metaData: {
          name: `${kind} adverts`,
          shortDescription:
            kind === 'SHIP'
              ? 'Takes adverts of hosts that take transactions for a topic.'
              : 'Takes adverts of hosts that answer for a lookup service.',
          version: '1.0.0',
        },
      },
      options,
    )
  }
}
