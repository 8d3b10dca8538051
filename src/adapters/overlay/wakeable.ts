export type Wakeable = { wake(): void; readonly done: Promise<void> }

/**
 * Works again and again until stopped: after a pause, or as soon as it is woken, or at once where `work` says that
 * there is more. Whoever wakes it while it works has it look once more.
 */
export function wakeable(idleMs: number, stop: AbortSignal, work: () => Promise<boolean>): Wakeable {
  let wake = () => {}
  stop.addEventListener('abort', () => wake(), { once: true })
  const run = async () => {
    while (!stop.aborted) {
      // Made before looking: what is written meanwhile must not wait out the pause.
      const pause = new Promise<void>(resolve => {
        const timer = setTimeout(resolve, idleMs)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      if ((await work()) || stop.aborted) wake()
      await pause
    }
  }
  return { wake: () => wake(), done: run() }
}
