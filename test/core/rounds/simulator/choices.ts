/**
 * Where a run gets its chance from. Every random decision is `pick(n)`; the list of picks replays the run, and
 * shrinks it: 0 is always the plainest choice, and a list that ends early goes on with zeros.
 */
export type Choices = {
  readonly pick: (options: number) => number
  readonly chance: (percent: number) => boolean
  readonly list: readonly number[]
}

export function choicesFrom(source: number | readonly number[]): Choices {
  const list: number[] = []
  const draw = typeof source === 'number' ? generator(source) : () => source[list.length] ?? 0
  const pick = (options: number) => {
    if (options <= 1) return 0
    const value = draw() % options
    list.push(value)
    return value
  }
  return { pick, chance: percent => pick(100) >= 100 - percent, list }
}

/** mulberry32: small, seedable, the same everywhere. */
function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }
}

const SHRINK_RUNS_MAX = 2_000

/** A shorter, plainer list for which `fails` still holds. */
export function shrink(list: readonly number[], fails: (list: readonly number[]) => boolean): number[] {
  let best = [...list]
  let runs = 0
  const better = (candidate: number[]) => {
    if (runs >= SHRINK_RUNS_MAX) return false
    runs++
    if (!fails(candidate)) return false
    best = candidate
    return true
  }
  for (let changed = true; changed && runs < SHRINK_RUNS_MAX; ) {
    changed = false
    for (let length = best.length >> 1; length >= 1; length >>= 1)
      for (let at = 0; at + length <= best.length && runs < SHRINK_RUNS_MAX; )
        if (better(best.toSpliced(at, length))) changed = true
        else at += length
    for (let at = 0; at < best.length; at++) {
      const value = best[at] ?? 0
      const plainer = [0, value >> 1, value - 1].filter(next => next >= 0 && next < value)
      if (plainer.some(next => better(best.with(at, next)))) changed = true
    }
  }
  return best
}
