import type { FeedDeps } from '../../../src/adapters/publishers/own-feeds.ts'
import type { RegistryBed } from './registry-bed.ts'

/** What publishers may change with in a bed; their ids differ, and are the same in each run. */
export function publisherDeps({ changes }: RegistryBed, more: Partial<FeedDeps> = {}): FeedDeps {
  let made = 0
  return {
    ...{ changes, ceiling: {}, changesPerDayMax: 100 },
    ...{ streamsPerIdentityMax: 10, streamsMax: 20, feedsPerIdentityMax: 20, feedsMax: 20 },
    random: bytes => new Uint8Array(bytes).fill(++made),
    ...more,
  }
}
