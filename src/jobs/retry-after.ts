export type RetryBounds = { readonly baseMs: number; readonly factor: number; readonly longestMs: number }

export const RETRY_MS_MAX = 30_000

export const retryBounds: RetryBounds = { baseMs: 500, factor: 2, longestMs: RETRY_MS_MAX }

/**
 * How long to wait after the n-th try: longer each time up to a bound, and by chance between half of that and all of it,
 * so that what failed together does not come back together. In whole milliseconds, never rounded to nothing.
 */
export function retryAfter(
  tries: number,
  { baseMs, factor, longestMs }: RetryBounds,
  random: () => number,
): number {
  const wholeMs = Math.min(baseMs * factor ** Math.max(0, tries - 1), longestMs)
  return Math.max(1, Math.round(wholeMs * (0.5 + 0.5 * random())))
}
