/** Answers that are given again for a while, so that many who ask the same cost one reading. */
export type AnswerCache = {
  /** Those who ask while it is being made share it; a failure is everybody's, and is not kept. */
  get(key: string, make: () => Promise<string>): Promise<string>
}

export type AnswerCacheBounds = { readonly answersMax: number; readonly charsMax: number }

export const answerCacheBounds: AnswerCacheBounds = { answersMax: 1_000, charsMax: 16 * 1024 * 1024 }

type Kept = { readonly answer: Promise<string>; chars: number; untilMs: number }

export function openAnswerCache(
  keepMs: number,
  nowMs: () => number = () => performance.now(),
  { answersMax, charsMax }: AnswerCacheBounds = answerCacheBounds,
): AnswerCache {
  // In the order in which they were asked for first, so that the oldest goes first.
  const kept = new Map<string, Kept>()
  let chars = 0
  const drop = (key: string, each: Kept) => {
    if (kept.get(key) !== each) return
    kept.delete(key)
    chars -= each.chars
  }
  const makeRoom = () => {
    for (const [key, each] of kept) {
      if (each.untilMs > nowMs() && kept.size <= answersMax && chars <= charsMax) return
      drop(key, each)
    }
  }
  return {
    get(key, make) {
      makeRoom()
      const known = kept.get(key)
      if (known !== undefined && known.untilMs > nowMs()) return known.answer
      if (known !== undefined) drop(key, known)
      const each: Kept = { answer: make(), chars: 0, untilMs: Number.POSITIVE_INFINITY }
      kept.set(key, each)
      each.answer.then(
        text => {
          each.untilMs = nowMs() + keepMs
          if (kept.get(key) !== each) return
          each.chars = text.length
          chars += text.length
          makeRoom()
        },
        () => drop(key, each),
      )
      return each.answer
    },
  }
}
