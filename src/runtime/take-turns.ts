/** What long work calls between its steps: a promise where it must let others go first. */
export type Rest = () => Promise<void> | undefined

/** Long enough that the waiting costs nothing; short enough that nobody notices. */
export const SLICE_MS = 10

/**
 * One thread serves everybody, and what a single request may ask for can take a second of it. So long work is done
 * in slices, one in each turn of the event loop, whoever it is for; who has had the fewest goes next. Short work
 * is done at once, unless others wait already.
 */
export function takeTurns({ sliceMs = SLICE_MS, nowMs = () => performance.now() } = {}): () => Rest {
  const waiting: { readonly had: number; go(): void }[] = []
  let sliceEndsMs = Number.NEGATIVE_INFINITY

  const nextSlice = () => {
    const fewest = Math.min(...waiting.map(({ had }) => had))
    const [next] = waiting.splice(
      waiting.findIndex(({ had }) => had === fewest),
      1,
    )
    if (waiting.length > 0) setImmediate(nextSlice)
    sliceEndsMs = nowMs() + sliceMs
    next?.go()
  }

  return () => {
    let had = 0
    return () => {
      const now = nowMs()
      if (now < sliceEndsMs) return undefined
      if (had === 0 && waiting.length === 0) {
        had = 1
        sliceEndsMs = now + sliceMs
        return undefined
      }
      return new Promise<void>(go => {
        waiting.push({ had, go })
        had += 1
        if (waiting.length === 1) setImmediate(nextSlice)
      })
    }
  }
}
