import * as z from 'zod'

/** What became of one batch that was taken in: where it stands in its stream, and when it was due. */
export const sentBatch = z.object({
  stream: z.int(),
  firstSeq: z.int(),
  events: z.int(),
  dueMs: z.number(),
  answeredMs: z.number(),
})
export type SentBatch = z.output<typeof sentBatch>

/** When the events of a stretch of a stream were due: each batch that it touches, with how many of its events are in it. */
export type WhenDue = (stream: number, firstSeq: number, lastSeq: number) => Generator<DueEvents>
export type DueEvents = { readonly dueMs: number; readonly events: number }

export function whenDue(batches: readonly SentBatch[]): WhenDue {
  const byStream = new Map<number, SentBatch[]>()
  for (const batch of batches) {
    const known = byStream.get(batch.stream)
    if (known === undefined) byStream.set(batch.stream, [batch])
    else known.push(batch)
  }
  for (const each of byStream.values()) each.sort((a, b) => a.firstSeq - b.firstSeq)
  return function* (stream, firstSeq, lastSeq) {
    const all = byStream.get(stream) ?? []
    for (let i = lastBefore(all, firstSeq); i < all.length; i++) {
      const batch = all[i]
      if (batch === undefined || batch.firstSeq > lastSeq) return
      const events =
        Math.min(lastSeq, batch.firstSeq + batch.events - 1) - Math.max(firstSeq, batch.firstSeq) + 1
      if (events > 0) yield { dueMs: batch.dueMs, events }
    }
  }
}

/** The last batch that begins at or before `seq`, else the first. */
function lastBefore(sorted: readonly SentBatch[], seq: number): number {
  let [low, high] = [0, sorted.length]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if ((sorted[middle]?.firstSeq ?? Infinity) <= seq) low = middle
    else high = middle
  }
  return low
}

export function streamOf(n: number): string {
  return `bench-${n}`
}

/** Undefined for a stream that is not the benchmark's. */
export function numberOf(streamId: string): number | undefined {
  const digits = /^bench-(\d+)$/.exec(streamId)?.[1]
  return digits === undefined ? undefined : Number(digits)
}
