/** Sleep that others can end. */
export type Nap = {
  /** Resolves after so many milliseconds, or sooner where it was ended, also before it began. */
  take(milliseconds: number): Promise<void>
  /** Ends it, or the next one, after a moment in which others may say the same. */
  end(afterMs: number): void
}

export function openNap(): Nap {
  let wake: (() => void) | undefined
  let ending: NodeJS.Timeout | undefined
  let hasEnded = false
  const end = () => {
    clearTimeout(ending)
    ending = undefined
    if (wake === undefined) hasEnded = true
    else wake()
  }
  return {
    async take(milliseconds) {
      if (!hasEnded) {
        let timer: NodeJS.Timeout | undefined
        await new Promise<void>(resolve => {
          wake = resolve
          timer = setTimeout(resolve, milliseconds)
        })
        clearTimeout(timer)
        wake = undefined
      }
      hasEnded = false
    },
    end(afterMs) {
      if (afterMs <= 0) end()
      else ending ??= setTimeout(end, afterMs)
    },
  }
}
