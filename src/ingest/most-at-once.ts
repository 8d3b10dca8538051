import type { Limits } from '../core/registry/limits.ts'

type Limited = { readonly limits: Limits }

/** So many events may be offered together without borrowing from the seconds to come. */
export function mostAtOnce(...limited: readonly Limited[]): number {
  return Math.min(...limited.map(({ limits }) => limits.eventsPerSecond ?? Number.POSITIVE_INFINITY))
}
