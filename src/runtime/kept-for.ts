export type Kept<T> = {
  /** What was read at most so long ago; those who ask at once share one reading. */
  read(): Promise<T>
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
  return {
    last: () => last?.value,
    async read() {
      if (last !== undefined && nowMs() - last.atMs < keepMs) return last.value
      asking ??= askNow()
      return asking
    },
  }
}
