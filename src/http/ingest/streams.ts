import type { IngestLimits } from './ingest-limits.ts'

/** Bodies that are worked on as they come: each keeps a place for as long as it takes. */
export type Streams = {
  /** Undefined where all places are taken, or all that one address may have. */
  enter(address: string): { leave(): void } | undefined
}

export function openStreams({
  streamsAtOnceMax,
  streamsPerAddressMax,
}: Pick<IngestLimits, 'streamsAtOnceMax' | 'streamsPerAddressMax'>): Streams {
  const open = new Map<string, number>()
  let total = 0
  return {
    enter(address) {
      const here = open.get(address) ?? 0
      if (total >= streamsAtOnceMax || here >= streamsPerAddressMax) return undefined
      total += 1
      open.set(address, here + 1)
      return {
        leave() {
          total -= 1
          const left = (open.get(address) ?? 1) - 1
          if (left === 0) open.delete(address)
          else open.set(address, left)
        },
      }
    },
  }
}
