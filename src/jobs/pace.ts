export type PaceBounds = {
  /** From one round to the next. */
  readonly roundMs: number
  /** So many times as long where fuel or this machine runs short. */
  readonly stretchMax: number
  /** An event loop that lags so much doubles it, and again for each doubling of the lag. */
  readonly lagMs: number
  /** After a look that found nothing to open, where something may have come since, and where nobody said so. */
  readonly triedMs: number
  readonly pollMs: number
}

export const paceBounds: Omit<PaceBounds, 'roundMs'> = {
  stretchMax: 8,
  lagMs: 100,
  triedMs: 20,
  pollMs: 1_000,
}

/** What has been, as far as the next round depends on it; times by one clock that nobody sets. */
export type Pace = {
  /** When what was opened last counts as opened. */
  readonly openedMs: number
  /** When somebody looked last, whatever was found. */
  readonly triedMs: number
  /** A packet may have come since, or a partition may have become free. */
  readonly hasNews: boolean
  /** Looks in a row in which something could not be paid for. */
  readonly refusals: number
  readonly lagMs: number
}

/**
 * When to look for packets again. What comes to an idle node is opened at once; what comes in the wake of a round waits
 * for the next, together with all that comes till then: a round costs the same for one packet as for many.
 */
export function nextRoundMs(pace: Pace, bounds: PaceBounds): number {
  const soonMs = pace.triedMs + (pace.hasNews ? bounds.triedMs : bounds.pollMs)
  return Math.max(pace.openedMs + bounds.roundMs * stretchOf(pace, bounds), retriedMs(pace, bounds), soonMs)
}

/**
 * When what is opened now counts as opened: up to half a round's time ago. So one that is late makes none of the next ones
 * late, and rounds find into step with packets; however many come, a round's time lies between two on average.
 */
export function countsFromMs(pace: Pace, bounds: PaceBounds, nowMs: number): number {
  const dueMs = pace.openedMs + bounds.roundMs * stretchOf(pace, bounds)
  // While it was planned the machine may have begun to lag, which then says nothing of when it was due.
  return Math.min(nowMs, Math.max(nowMs - bounds.roundMs / 2, dueMs))
}

export function stretchOf({ refusals, lagMs }: Pace, bounds: PaceBounds): number {
  const doublings = lagMs < bounds.lagMs ? 0 : 1 + Math.floor(Math.log2(lagMs / bounds.lagMs))
  return Math.min(2 ** Math.max(refusals, doublings), bounds.stretchMax)
}

/** Fuel does not come back by being asked for. */
function retriedMs(pace: Pace, bounds: PaceBounds): number {
  return pace.refusals === 0 ? 0 : pace.triedMs + bounds.roundMs * stretchOf(pace, bounds)
}
