export type Kept<T> = {
  /** What was read at most so long ago; those who ask at once share one reading. */
  read(): Promise<T>
  /** The same if it comes within so long, else what was read last, however long ago; undefined where nothing ever was. */
  readWithin(milliseconds: number): Promise<T | undefined>
  /** What was read last, however long ago. */
  last(): T | undefined
}

/** Spares whoever is asked often by many from being asked more than once in a while. */
export function keptFor<T>(keepMs: number, ask: () => Promise<T>, nowMs = () => performance.now()): Kept<T> {
  let last: { readonly value: T; readonly atMs: number } | undefined
  let asking: Promise<T> | undefined
  const askNow = async () => {
    try {
      const value = await ask()
      last = { value, atMs: nowMs() }
      return value
    } finally {
      asking = undefined
    }
  }
  const read = async () => {
    if (last !== undefined && nowMs() - last.atMs < keepMs) return last.value
    asking ??= askNow()
    return asking
  }
  return {
    read,
    last: () => last?.value,
    async readWithin(milliseconds) {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>(resolve => {
        timer = setTimeout(resolve, milliseconds)
      })
      // What comes of it is looked at in `last`; that it failed is for those who `read`.
      await Promise.race([read().catch(() => undefined), late])
      clearTimeout(timer)
      return last?.value
    },
  }
}
