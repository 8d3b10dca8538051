export type Alarm = {
  /** Resolves at the next ring. */
  set(): Promise<void>
  /** Rings after so many milliseconds, unless it rings sooner anyhow; one that nobody waits for is kept for the next. */
  ring(afterMs: number): void
}

export function openAlarm(clock: () => number): Alarm {
  let wake: (() => void) | undefined
  let timer: NodeJS.Timeout | undefined
  let atMs = Number.POSITIVE_INFINITY
  let rang = false
  const go = () => {
    clearTimeout(timer)
    atMs = Number.POSITIVE_INFINITY
    if (wake === undefined) rang = true
    else wake()
    wake = undefined
  }
  return {
    set: () =>
      new Promise(resolve => {
        wake = resolve
        if (rang) go()
        rang = false
      }),
    ring(afterMs) {
      const wantedMs = clock() + afterMs
      if (wantedMs >= atMs) return
      clearTimeout(timer)
      atMs = wantedMs
      timer = setTimeout(go, afterMs)
    },
  }
}
