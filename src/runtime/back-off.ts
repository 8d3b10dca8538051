const FIRST_MS = 500
const LONGEST_MS = 5 * 60_000

/** How long to wait after this many failures in a row: twice as long each time, up to a bound. */
export function backOff(failures: number, { firstMs = FIRST_MS, longestMs = LONGEST_MS } = {}): number {
  return Math.min(firstMs * 2 ** (failures - 1), longestMs)
}
