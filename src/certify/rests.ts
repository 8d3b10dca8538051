/** What has failed is left alone for a while, longer each time, so that it is in nobody's way. */
export type Rests = {
  /** Left alone for so many milliseconds from now on. */
  failed(id: string): number
  succeeded(id: string): void
  /** Those that are to be left alone now. */
  resting(): readonly string[]
}

type RestTiming = { readonly againMs: number; readonly againMsMax: number }

/** Of more the earliest is forgotten, and tried again. */
const REMEMBERED_MAX = 10_000

export function openRests({ againMs, againMsMax }: RestTiming, nowMs: () => number): Rests {
  const failures = new Map<string, { readonly count: number; readonly untilMs: number }>()
  return {
    failed(id) {
      const count = (failures.get(id)?.count ?? 0) + 1
      failures.delete(id)
      const [earliest] = failures.keys()
      if (failures.size >= REMEMBERED_MAX && earliest !== undefined) failures.delete(earliest)
      const restMs = Math.min(againMs * 2 ** (count - 1), againMsMax)
      failures.set(id, { count, untilMs: nowMs() + restMs })
      return restMs
    },
    succeeded: id => void failures.delete(id),
    resting() {
      const now = nowMs()
      return [...failures].flatMap(([id, { untilMs }]) => (untilMs > now ? [id] : []))
    },
  }
}
