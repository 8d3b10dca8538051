/**
 * Looks again and again until there is something to see, and resolves with it. The test's own time limit is the only
 * clock.
 */
export async function until<T>(look: () => Promise<T> | T): Promise<Exclude<T, undefined | false>> {
  for (;;) {
    const seen = await look()
    if (isThere(seen)) return seen
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

function isThere<T>(seen: T): seen is Exclude<T, undefined | false> {
  return seen !== undefined && seen !== false
}
