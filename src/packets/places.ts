export type PlaceBounds = {
  /** Partitions that are sealed at the same time, where they are small. */
  readonly atOnce: number
  /** What they may have together; none counts as more than a part of it, so that no large one keeps others waiting. */
  readonly bytesAtOnce: number
}

const LARGE_AT_ONCE = 4

/** What a partition takes of the room; `bytes` undefined: not known, and it may be as large as a packet gets. */
export function shareOf(bytes: number | undefined, { bytesAtOnce }: PlaceBounds): number {
  return Math.min(bytes ?? Number.POSITIVE_INFINITY, bytesAtOnce / LARGE_AT_ONCE)
}

/** For how many there is room, in their order, beside those that are under way; each by its share. */
export function placesFor(
  waiting: readonly number[],
  underWay: readonly number[],
  { atOnce, bytesAtOnce }: PlaceBounds,
): number {
  const free = Math.max(0, atOnce - underWay.length)
  let bytes = underWay.reduce((sum, share) => sum + share, 0)
  const full = waiting.findIndex((share, place) => {
    bytes += share
    return place >= free || bytes > bytesAtOnce
  })
  return full < 0 ? waiting.length : full
}
