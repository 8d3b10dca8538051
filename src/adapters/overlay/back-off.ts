const BACK_OFF_MS = 500
const BACK_OFF_MS_MAX = 5 * 60_000

/** Twice as long each time, up to five minutes. */
export function backOff(attempts: number): number {
  return Math.min(BACK_OFF_MS * 2 ** Math.min(attempts - 1, 20), BACK_OFF_MS_MAX)
}
