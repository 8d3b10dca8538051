import { readContentUrl } from '../src/contract/host-address.ts'
import { meansUhrpAdvert, readUhrpAdvert } from '../src/contract/uhrp-advert.ts'
import { AdvertTopicManager, type AdvertTopicOptions } from './advert-topic.ts'
import { uhrpDocumentation } from './uhrp-documentation.ts'

/** `tm_uhrp`: who keeps which content, where, and until when. */
export class UhrpTopicManager extends AdvertTopicManager {
  constructor(options?: AdvertTopicOptions) {
    super(
      {
        means: meansUhrpAdvert,
        isSound(script, { allowLocal }) {
          const advert = readUhrpAdvert(script)
          if (!advert.ok) return false
          return allowLocal || readContentUrl(advert.value.url)?.isLocal === false
        },
        keepsHistory: false,
        documentation: uhrpDocumentation,
        metaData: {
          name: 'UHRP adverts',
          shortDescription: 'Takes adverts of hosts that keep content under the name of its hash.',
          version: '1.0.0',
        },
      },
      options,
    )
  }
}
