import type { HostAdvert, HostAdvertKind } from '../src/contract/host-advert.ts'
import type { Outpoint } from '../src/core/rounds/pipeline.ts'
import type { OutputIndex } from './output-index.ts'

/** What `ls_ship` and `ls_slap` look things up in. */
export type HostAdvertsIndex = OutputIndex<HostAdvertEntry> & {
  /** Those that fit, in the order asked for, by when they were admitted. Of equal ones, the latest. */
  find(query: HostAdvertsQuery): Promise<Outpoint[]>
}

export type HostAdvertEntry = Outpoint &
  HostAdvert & {
    /** Its domain in the one spelling of all that mean the same. */
    readonly base: string
  }

/** Adverts that fit all the members given. */
export type HostAdvertsQuery = {
  readonly kind: HostAdvertKind
  readonly base?: string | undefined
  /** Any of these topics or lookup services. */
  readonly names?: readonly string[] | undefined
  readonly identityKey?: string | undefined
  readonly order: 'asc' | 'desc'
  readonly limit: number
  readonly skip: number
}
