import { type LiveStage, liveStages } from '../../src/core/live/track.ts'

/** So far back the plots show. */
export const WINDOW_S = 120
/** A rate is of so many whole seconds. */
const RATE_S = 5

export const waitedStages = ['certified', 'proven'] as const
export type WaitedStage = (typeof waitedStages)[number]

/** What was heard second by second, in rings of a fixed size, however long and however much. */
export type Tally = {
  count(stage: LiveStage, events: number, nowMs: number): void
  /** So many events have got there so long after this page heard that they were received. */
  wait(stage: WaitedStage, waitedMs: number, events: number, nowMs: number): void
  /** The stream was open in this second; of others nothing is known. */
  listening(nowMs: number): void
  total(stage: LiveStage): number
  /** Events per second, over the last whole seconds that were listened to. Null: none were. */
  rate(stage: LiveStage, nowMs: number): number | null
  series(nowMs: number): Series
  /** Mean wait in milliseconds, of all in the window. Null: nobody has got there. */
  meanWait(stage: WaitedStage, nowMs: number): number | null
}

export type Series = {
  /** Whole seconds since 1970, the oldest first. */
  readonly seconds: readonly number[]
  readonly rates: Readonly<Record<LiveStage, readonly (number | null)[]>>
  /** Mean wait in seconds. */
  readonly waits: Readonly<Record<WaitedStage, readonly (number | null)[]>>
}

export function openTally(): Tally {
  const counted = perStage(liveStages, () => new Float64Array(WINDOW_S))
  const totals = perStage(liveStages, () => 0)
  const waitedMs = perStage(waitedStages, () => new Float64Array(WINDOW_S))
  const waitedOf = perStage(waitedStages, () => new Float64Array(WINDOW_S))
  const listened = new Uint8Array(WINDOW_S)
  let newest = Number.NEGATIVE_INFINITY

  const rings = [...Object.values(counted), ...Object.values(waitedMs), ...Object.values(waitedOf), listened]
  /** Its place in the rings; what stood there two minutes ago is let go. */
  const at = (nowMs: number) => {
    const second = Math.floor(nowMs / 1000)
    const from = Math.max(newest + 1, second - WINDOW_S + 1)
    for (let each = from; each <= second; each++) for (const ring of rings) ring[each % WINDOW_S] = 0
    newest = Math.max(newest, second)
    return newest % WINDOW_S
  }
  const add = (ring: Float64Array, place: number, more: number) => {
    ring[place] = (ring[place] ?? 0) + more
  }
  /** The whole seconds that there are, the oldest first; the one that runs is not whole. */
  const whole = (nowMs: number, many: number) => {
    at(nowMs)
    const last = Math.floor(nowMs / 1000)
    return Array.from({ length: many }, (_, i) => last - many + i)
  }

  return {
    count(stage, events, nowMs) {
      add(counted[stage], at(nowMs), events)
      totals[stage] += events
    },
    wait(stage, ms, events, nowMs) {
      const place = at(nowMs)
      add(waitedMs[stage], place, ms * events)
      add(waitedOf[stage], place, events)
    },
    listening(nowMs) {
      listened[at(nowMs)] = 1
    },
    total: stage => totals[stage],
    rate(stage, nowMs) {
      const seconds = whole(nowMs, RATE_S).filter(second => listened[second % WINDOW_S] === 1)
      if (seconds.length === 0) return null
      return (
        seconds.reduce((sum, second) => sum + (counted[stage][second % WINDOW_S] ?? 0), 0) / seconds.length
      )
    },
    series(nowMs) {
      const seconds = whole(nowMs, WINDOW_S - 1)
      const heard = (second: number) => listened[second % WINDOW_S] === 1
      return {
        seconds,
        rates: perStage(liveStages, stage =>
          seconds.map(second => (heard(second) ? (counted[stage][second % WINDOW_S] ?? 0) : null)),
        ),
        waits: perStage(waitedStages, stage =>
          seconds.map(second => {
            const of = waitedOf[stage][second % WINDOW_S] ?? 0
            return of === 0 ? null : (waitedMs[stage][second % WINDOW_S] ?? 0) / of / 1000
          }),
        ),
      }
    },
    meanWait(stage, nowMs) {
      at(nowMs)
      const of = waitedOf[stage].reduce((sum, each) => sum + each, 0)
      return of === 0 ? null : waitedMs[stage].reduce((sum, each) => sum + each, 0) / of
    },
  }
}

function perStage<Name extends string, T>(names: readonly Name[], make: (name: Name) => T): Record<Name, T> {
  return Object.fromEntries(names.map(name => [name, make(name)])) as Record<Name, T>
}
