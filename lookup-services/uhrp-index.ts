import type { UhrpAdvert } from '../src/contract/uhrp-advert.ts'
import type { Outpoint } from '../src/core/rounds/pipeline.ts'

/**
 * What `ls_uhrp` looks things up in. A host that is in the middle of recording an admission may have a write take
 * effect with that admission; then it resolves before.
 */
export type UhrpIndex = {
  /** Resolves once the advert is listed. One that is there already stays as it is. */
  put(advert: UhrpEntry): Promise<void>
  /** Resolves once no answer will name the advert any more. */
  remove(outpoint: Outpoint): Promise<void>
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
