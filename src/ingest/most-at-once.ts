import type { Limits } from '../core/registry/limits.ts'

type Limited = { readonly limits: Limits }

/** So many events may be offered together without borrowing from the seconds to come. */
export function mostAtOnce(source: Limited, stream: Limited): number {
  const most = ({ limits }: Limited) => limits.eventsPerSecond ?? Number.POSITIVE_INFINITY
  return Math.min(most(source), most(stream))
}
