import type { UhrpAdvert } from '../src/contract/uhrp-advert.ts'
import type { Outpoint } from '../src/core/rounds/pipeline.ts'
import type { OutputIndex } from './output-index.ts'

/** What `ls_uhrp` looks things up in. */
export type UhrpIndex = OutputIndex<UhrpEntry> & {
  /** Those that fit; who keeps it longest comes first. Of several by one host about one URL, the one that lasts longest. */
  find(query: UhrpQuery): Promise<Outpoint[]>
}

export type UhrpEntry = Outpoint &
  UhrpAdvert & {
    /** Scheme, host and port of its URL. */
    readonly origin: string
  }

/** Adverts that fit all the members given. */
export type UhrpQuery = {
  readonly hash?: string | undefined
  readonly outpoint?: Outpoint | undefined
  readonly hostIdentityKey?: string | undefined
  /** That expire then, or later. */
  readonly expirySecondsMin: number
  readonly limit: number
  readonly skip: number
}
