/** Where an event stands among all others: the newest first; what came in one millisecond by partition and sequence. */
export type Position = { readonly ingestMs: number; readonly partitionId: number; readonly seq: number }

/** What was looked at of one place, from its newest on. */
export type Looked<Item> = {
  readonly position: Position
  /** Null: it does not fit the question, and only says how far looking came. */
  readonly item: Item | null
  /** Looking ended with this one, and there may be more behind it. */
  readonly isStop: boolean
}

export type EventPage<Item> = {
  readonly items: readonly Item[]
  /** Before it the next page begins; null where there is none. */
  readonly below: Position | null
}

/** Below zero where `a` comes before `b`. */
export function byNewest(a: Position, b: Position): number {
  return b.ingestMs - a.ingestMs || b.partitionId - a.partitionId || b.seq - a.seq
}

/**
 * The page that many places have in common. One where looking stopped may hold more from there on, so nothing behind
 * that is said yet: a page may be short, or empty, and still not the last.
 */
export function takePage<Item>(
  looked: readonly Looked<Item>[],
  { limit, skip = 0 }: { readonly limit: number; readonly skip?: number },
): EventPage<Item> {
  const stop = looked
    .filter(({ isStop }) => isStop)
    .map(({ position }) => position)
    .sort(byNewest)
    .at(0)
  const found = looked
    .flatMap(({ position, item }) => (item === null ? [] : [{ position, item }]))
    .filter(({ position }) => stop === undefined || byNewest(position, stop) <= 0)
    .sort((a, b) => byNewest(a.position, b.position))
  const page = found.slice(skip, skip + limit)
  const isMore = found.length > skip + limit
  return {
    items: page.map(({ item }) => item),
    below: isMore ? (page.at(-1)?.position ?? null) : (stop ?? null),
  }
}
