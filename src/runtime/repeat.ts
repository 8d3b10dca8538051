export type Repeating = {
  /** Does it now rather than after the pause; while it is under way, once more afterwards. */
  wake(): void
  stop(): Promise<void>
}

export type RepeatOptions = {
  readonly everyMs: number
  /** After a failure, which is told to `onFailure`; as after anything else where nothing is said. */
  readonly againMs?: number
  onFailure(error: unknown): void
}

/**
 * Does something at once, and again and again, never beside itself, until it is stopped; without a pause in between
 * where it resolves with 'more'.
 */
export function repeat(
  work: () => Promise<unknown>,
  { everyMs, againMs = everyMs, onFailure }: RepeatOptions,
): Repeating {
  let stopping = false
  let wake = () => {}
  const run = async () => {
    while (!stopping) {
      let pauseMs = everyMs
      // Made before the work: what comes in meanwhile must not wait out the pause.
      const woken = new Promise<void>(resolve => {
        wake = resolve
      })
      try {
        if ((await work()) === 'more') continue
      } catch (error) {
        pauseMs = againMs
        onFailure(error)
      }
      if (stopping) return
      const timer = setTimeout(() => wake(), pauseMs)
      await woken
      clearTimeout(timer)
    }
  }
  const running = run()
  return {
    wake: () => wake(),
    async stop() {
      stopping = true
      wake()
      await running
    },
  }
}
