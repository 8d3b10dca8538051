import type { AcceptRefusal, ItemAnswer } from '../../ingest/arrived.ts'

/** What has become of a request's items so far. */
export type Taken = {
  /** In the order of the items, from the first on. */
  readonly items: readonly ItemAnswer[]
  readonly counts: Counts
  /** What it was the first time that this request came. */
  readonly replayed?: boolean
  /** Why no more of them were taken. */
  readonly refusal?: AcceptRefusal
}

/** Of items that have an answer; all that they say is durable. */
export type Counts = { [Status in ItemAnswer['status']]: number }

export function noCounts(): Counts {
  return { accepted: 0, revision: 0, duplicate: 0, quarantined: 0, rejected: 0 }
}

export function answered(counts: Counts): number {
  return counts.accepted + counts.revision + counts.duplicate + counts.quarantined + counts.rejected
}

export function count(items: readonly ItemAnswer[], counts: Counts): void {
  for (const { status } of items) counts[status] += 1
}
