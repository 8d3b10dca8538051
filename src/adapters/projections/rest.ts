export type RestBounds = {
  /** A machine that is busier than this belongs to ingest, or a thread that is shared with it. */
  readonly busyShare: number
  /** What projections take of the time at least, however busy it is. */
  readonly shareMin: number
  /** With so many events behind, they take half of it: nobody may be left behind without an end. */
  readonly behindEventsMax: number
  readonly restMsMax: number
}

export const restBounds: RestBounds = {
  busyShare: 0.5,
  shareMin: 0.05,
  behindEventsMax: 500_000,
  restMsMax: 1_000,
}

/** How long to leave the machine to others after work that took this long, while there is more of it. */
export function restAfter(
  tookMs: number,
  { busy, behindEvents }: { readonly busy: number; readonly behindEvents: number },
  bounds: RestBounds = restBounds,
): number {
  const { busyShare, shareMin, behindEventsMax, restMsMax } = bounds
  if (busy <= busyShare) return 0
  const left = (1 - Math.min(busy, 1)) / (1 - busyShare)
  const share = Math.max(shareMin, left, behindEvents > behindEventsMax ? 0.5 : 0)
  return Math.min(restMsMax, Math.round(tookMs * (1 / share - 1)))
}
