export type Repeating = {
  /** Does it now rather than after the pause; while it is under way, once more afterwards. */
  wake(): void
  stop(): Promise<void>
}

export type RepeatOptions = {
  readonly everyMs: number
  /** After a failure, which is told to `onFailure`. */
  readonly againMs: number
  onFailure(error: unknown): void
}

/** Does something at once, and again and again, never beside itself, until it is stopped. */
export function repeat(
  work: () => Promise<unknown>,
  { everyMs, againMs, onFailure }: RepeatOptions,
): Repeating {
  let stopping = false
  let wake = () => {}
  const run = async () => {
    while (!stopping) {
      let failed = false
      // Made before the work: what comes in meanwhile must not wait out the pause.
      const woken = new Promise<void>(resolve => {
        wake = resolve
      })
      try {
        await work()
      } catch (error) {
        failed = true
        onFailure(error)
      }
      if (stopping) return
      const timer = setTimeout(() => wake(), failed ? againMs : everyMs)
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
