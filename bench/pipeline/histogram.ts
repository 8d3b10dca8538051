import * as z from 'zod'

/** How long something took, counted for each event by tenths of a millisecond: small enough to hand over, exact enough to compare. */
export type Histogram = {
  add(ms: number, events: number): void
  /** As it goes from one process to another. */
  entries(): [ms: number, events: number][]
}

export const histogramEntries = z.array(z.tuple([z.number(), z.number()]))

export function openHistogram(entries: Iterable<readonly [number, number]> = []): Histogram {
  const counts = new Map<number, number>(entries)
  return {
    add(ms, events) {
      const place = Math.round(ms * 10) / 10
      counts.set(place, (counts.get(place) ?? 0) + events)
    },
    entries: () => [...counts].sort(([a], [b]) => a - b),
  }
}

export const quantiles = { p50: 0.5, p95: 0.95, p99: 0.99, p999: 0.999 } as const
export type Latency = { readonly [Name in keyof typeof quantiles]: number | null } & {
  readonly maxMs: number | null
  /** That it is counted from; what has not come is not among them. */
  readonly events: number
}

export function latencyOf(entries: readonly (readonly [ms: number, events: number])[]): Latency {
  const sorted = entries.toSorted(([a], [b]) => a - b)
  const events = sorted.reduce((sum, [, count]) => sum + count, 0)
  const at = (share: number) => quantileOf(sorted, events, share)
  const { p50, p95, p99, p999 } = quantiles
  return {
    p50: at(p50),
    p95: at(p95),
    p99: at(p99),
    p999: at(p999),
    maxMs: sorted.at(-1)?.[0] ?? null,
    events,
  }
}

/** The least time within which so large a share of the events was there; null of nothing. */
export function quantileOf(
  sorted: readonly (readonly [ms: number, events: number])[],
  events: number,
  share: number,
): number | null {
  let passed = 0
  for (const [ms, count] of sorted) {
    passed += count
    if (passed >= share * events) return ms
  }
  return null
}
