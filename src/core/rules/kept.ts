/** `make`, with its latest answers kept; the one unused for longest leaves first. For answers that depend on the key alone. */
export function keepLatest<T>(keptMax: number, make: (key: string) => T): (key: string) => T {
  const kept = new Map<string, T>()
  return key => {
    const made = kept.get(key) ?? make(key)
    kept.delete(key)
    kept.set(key, made)
    for (const oldest of kept.keys()) {
      if (kept.size <= keptMax) break
      kept.delete(oldest)
    }
    return made
  }
}
