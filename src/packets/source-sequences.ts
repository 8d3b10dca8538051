import { sourceIdIn, sourceSeqIn } from '../core/event/scan-line.ts'
import type { SealedPacket } from '../core/log/packet.ts'
import { linesWith } from './packet-lines.ts'

/** Sequences of a source that events of a stream have used. */
export type SequenceSeen = {
  readonly sourceId: string
  readonly streamId: string
  readonly ranges: readonly Range[]
}

/** First and last, both included. */
export type Range = readonly [bigint, bigint]

/** What a source has used so far: from lowest to highest, without the gaps, which are in order. */
export type SourceSequence = {
  readonly lowest: bigint
  readonly highest: bigint
  readonly gaps: readonly Range[]
  /** Gaps that there was no room for. */
  readonly forgotten: number
}

/** Events of one sequence can be spread over partitions, whose packets come one by one: many gaps close again soon. */
const GAPS_MAX = 4_096

/** By sourceId, ascending, so that nobody who writes them waits for another who waits for him. */
export function sequencesIn({ header, bytes }: Pick<SealedPacket, 'header' | 'bytes'>): SequenceSeen[] {
  const seen = new Map<string, bigint[]>()
  for (const line of linesWith(bytes, '"sourceSeq":"')) {
    const sourceSeq = sourceSeqIn(line)
    const sourceId = header.constants.sourceId ?? sourceIdIn(line)
    if (sourceSeq === undefined || sourceId === undefined) continue
    const used = seen.get(sourceId)
    if (used === undefined) seen.set(sourceId, [sourceSeq])
    else used.push(sourceSeq)
  }
  return [...seen.keys()].sort().map(sourceId => ({
    sourceId,
    streamId: header.streamId,
    ranges: rangesOf(seen.get(sourceId) ?? []),
  }))
}

export function rangesOf(numbers: readonly bigint[]): Range[] {
  const ranges: [bigint, bigint][] = []
  for (const number of [...numbers].sort(ascending)) {
    const last = ranges.at(-1)
    if (last !== undefined && number <= last[1] + 1n) last[1] = number
    else ranges.push([number, number])
  }
  return ranges
}

function ascending(a: bigint, b: bigint): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** What was used before, and these too. A source's sequence begins with what it sent first, or sends from before that. */
export function withRanges(
  before: SourceSequence | undefined,
  ranges: readonly Range[],
  gapsMax = GAPS_MAX,
): SourceSequence | undefined {
  const used = before === undefined ? ranges : joined(usedRanges(before), ranges)
  const [first, last] = [used.at(0), used.at(-1)]
  if (first === undefined || last === undefined) return before
  const gaps = used.slice(1).map(([from], i): Range => [(used[i] ?? first)[1] + 1n, from - 1n])
  const tooMany = Math.max(0, gaps.length - gapsMax)
  return {
    lowest: first[0],
    highest: last[1],
    // The oldest go: what is missing for that long will not come any more.
    gaps: gaps.slice(tooMany),
    forgotten: (before?.forgotten ?? 0) + tooMany,
  }
}

export function missingIn({ gaps }: SourceSequence): bigint {
  return gaps.reduce((missing, [from, to]) => missing + to - from + 1n, 0n)
}

function usedRanges({ lowest, highest, gaps }: SourceSequence): Range[] {
  const starts = [lowest, ...gaps.map(([, to]) => to + 1n)]
  const ends = [...gaps.map(([from]) => from - 1n), highest]
  return starts.map((start, i) => [start, ends[i] ?? highest])
}

function joined(some: readonly Range[], more: readonly Range[]): Range[] {
  const all: [bigint, bigint][] = []
  for (const [from, to] of [...some, ...more].sort(([a], [b]) => ascending(a, b))) {
    const last = all.at(-1)
    if (last === undefined || from > last[1] + 1n) all.push([from, to])
    else if (to > last[1]) last[1] = to
  }
  return all
}
