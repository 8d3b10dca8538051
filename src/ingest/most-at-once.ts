import type { Limits } from '../core/registry/limits.ts'

/** So many events may be offered together without borrowing from the seconds to come. */
export function mostAtOnce(...limits: readonly Limits[]): number {
  return Math.min(...limits.map(({ eventsPerSecond = Number.POSITIVE_INFINITY }) => eventsPerSecond))
}
