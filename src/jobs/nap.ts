/** Sleep that others can end. */
export type Nap = {
  /** Resolves after so many milliseconds, whoever ends it. */
  rest(milliseconds: number): Promise<void>
  /** Resolves after so many milliseconds, or sooner where it was ended, also before it began. */
  take(milliseconds: number): Promise<void>
  /** Ends it, or the next one; but no rest. */
  end(): void
}

export function openNap(): Nap {
  let wake: (() => void) | undefined
  let hasEnded = false
  return {
    rest: milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds)),
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
    end() {
      if (wake === undefined) hasEnded = true
      else wake()
    },
  }
}
