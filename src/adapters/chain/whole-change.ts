import type { ChainChange, Tip } from './chain.ts'

/** No reorganisation is expected to go deeper. */
export const REORGANISATION_DEPTH_MAX = 1000

/** What may have changed below this tip while nobody followed the chain. */
export function wholeChange(tip: Tip): ChainChange {
  return { forkHeight: Math.max(-1, tip.height - REORGANISATION_DEPTH_MAX), tip }
}
