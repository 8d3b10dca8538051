import { backOff } from '../runtime/back-off.ts'

/** A timer that is given more goes off at once. */
const TIMER_MS_MAX = 2 ** 31 - 1

/** Resolves when the time is over, or sooner where it is told to stop; whoever paused looks at the signal next. */
export function pause(milliseconds: number, stop?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (stop?.aborted) return resolve()
    let timer: ReturnType<typeof setTimeout> | undefined
    const end = () => {
      clearTimeout(timer)
      stop?.removeEventListener('abort', end)
      resolve()
    }
    const wait = (leftMs: number) => {
      const thisMs = Math.min(leftMs, TIMER_MS_MAX)
      timer = setTimeout(() => (leftMs > thisMs ? wait(leftMs - thisMs) : end()), thisMs)
    }
    wait(milliseconds)
    stop?.addEventListener('abort', end)
  })
}

export type PauseBounds = {
  /** Of the first pause; what a server asks for in `retry:` counts instead. */
  readonly firstMs: number
  readonly longestMs: number
}

/**
 * How long to wait after so many failures in a row. `chance` is 0 to 1: clients that were cut off together come back at
 * different times, half of the pause apart. What the server has asked for is waited in any case.
 */
export function pauseAfter(
  failures: number,
  chance: number,
  { firstMs, longestMs }: PauseBounds,
  askedMs = 0,
): number {
  const whole = backOff(failures, { firstMs, longestMs })
  return Math.round(
    askedMs > 0 ? askedMs + (chance * Math.min(whole, askedMs)) / 2 : whole * (0.5 + chance / 2),
  )
}

/** `Retry-After` in milliseconds: seconds, or a date. Undefined where there is none that can be read. */
export function retryAfterMs(headers: Pick<Headers, 'get'>, nowMs: number): number | undefined {
  const said = headers.get('retry-after')
  if (said === null) return undefined
  if (/^\d{1,9}$/.test(said)) return 1000 * Number(said)
  const untilMs = Date.parse(said)
  return Number.isNaN(untilMs) ? undefined : Math.max(0, untilMs - nowMs)
}
