/** Longer than anything here is ever told to wait. */
const RETRY_AHEAD_MS_MAX = 60_000

/**
 * In SQL: whether the wait is over. A time that is further away than anything waits was set before the clock was set back.
 */
export function retryIsDue(column: string, nowMs: string): string {
  return `(${column} <= ${nowMs}::bigint or ${column} > ${nowMs}::bigint + ${RETRY_AHEAD_MS_MAX})`
}
