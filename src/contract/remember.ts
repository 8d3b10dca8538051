/** So many answers are kept; the oldest half goes when there are more. */
const REMEMBERED_MAX = 2_048

/**
 * A function of its arguments alone that remembers what it has found, where it has found anything: one round after the other
 * asks for the same keys and the same operators' words.
 */
export function remembering<A extends readonly unknown[], T>(
  find: (...about: A) => T | undefined,
  keyOf: (...about: A) => string,
): (...about: A) => T | undefined {
  let recent = new Map<string, T>()
  let before = new Map<string, T>()
  return (...about) => {
    const key = keyOf(...about)
    const known = recent.get(key)
    if (known !== undefined) return known
    const found = before.get(key) ?? find(...about)
    if (found === undefined) return undefined
    if (recent.size >= REMEMBERED_MAX / 2) {
      before = recent
      recent = new Map()
    }
    recent.set(key, found)
    return found
  }
}
