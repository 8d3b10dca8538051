import type { HostRecord } from '../adapters/indexes/host-adverts-index.ts'

/** What an operator may have discovery do. */
export type AdminActions = {
  /** Adverts that are admitted here, the newest first; `search` is part of a domain, a name or a key. */
  listAdverts(
    protocol: 'SHIP' | 'SLAP',
    page: { readonly offset: number; readonly limit: number; readonly search?: string | undefined },
  ): Promise<{ readonly records: readonly HostRecord[]; readonly total: number }>
  /** The host that an admitted advert names. */
  domainOf(txid: string, outputIndex: number): Promise<string | undefined>
  /** Looks after the adverts of others: asks their hosts, and leaves those that stay silent out of what is told. */
  runJanitor(): Promise<{ readonly checked: number; readonly removed: number }>
  /** Resolves once what is advertised is what this node hosts. */
  syncAdvertisements(): Promise<void>
  /** Begins to fetch from other hosts what is missing here, and does not wait for its end. */
  startSync(): Promise<void>
}
