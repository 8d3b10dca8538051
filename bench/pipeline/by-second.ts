import { type Histogram, latencyOf, openHistogram } from './histogram.ts'
import { isMeasured, type Schedule } from './schedule.ts'

/** How long something took after it was due: of what is measured in all, and of every second by itself. */
export type LatencyBySecond = {
  add(dueMs: number, atMs: number, events: number): void
  readonly measured: Histogram
  p95(): (number | null)[]
}

export function openLatency(schedule: Schedule): LatencyBySecond {
  const measured = openHistogram()
  const seconds: Histogram[] = []
  return {
    measured,
    add(dueMs, atMs, events) {
      // Ahead of the schedule, and nothing that is measured.
      if (dueMs < schedule.startMs) return
      const ms = atMs - dueMs
      if (isMeasured(schedule, dueMs)) measured.add(ms, events)
      const second = secondOf(schedule, dueMs)
      while (seconds.length <= second) seconds.push(openHistogram())
      seconds[second]?.add(ms, events)
    },
    p95: () => seconds.map(each => latencyOf(each.entries()).p95),
  }
}

export function secondOf({ startMs }: Schedule, ms: number): number {
  return Math.max(0, Math.floor((ms - startMs) / 1000))
}

/** Adds to a second of a list that grows. */
export function countIn(seconds: number[], second: number, events: number): void {
  while (seconds.length <= second) seconds.push(0)
  seconds[second] = (seconds[second] ?? 0) + events
}
