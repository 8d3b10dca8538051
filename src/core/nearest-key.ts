const TYPOS_MAX = 2

/** The known key a mistyped one was probably meant to be. */
export function nearestKey(typed: string, known: readonly string[]): string | undefined {
  if (typed.length > 64) return undefined
  let nearest: string | undefined
  let fewest = TYPOS_MAX + 1
  for (const key of known) {
    const typos = key.toLowerCase() === typed.toLowerCase() ? 0 : editsBetween(typed, key)
    // "v" is two edits from every other two-letter key; a suggestion must keep most of what was typed.
    if (typos < fewest && typos * 2 < key.length) {
      nearest = key
      fewest = typos
    }
  }
  return nearest
}

/** Levenshtein distance, one row at a time. */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
