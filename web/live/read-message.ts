import { type LiveStage, liveStages } from '../../src/core/live/track.ts'

/** What this page looks at in messages of `/watch` (docs/streaming.md). */
export type Heard =
  | {
      readonly kind: 'stage'
      readonly stage: LiveStage
      readonly streamId: string
      readonly partition: number
      readonly count: number
      readonly sourceId: string | null
      readonly eventIds: readonly string[]
      readonly packetId: string | null
      /** Sequences where the message names them, else lines of the packet. */
      readonly range: { readonly of: 'seq' | 'line'; readonly first: number; readonly last: number } | null
    }
  | { readonly kind: 'gap' | 'unanchored' | 'bye' | 'other' }

export function readMessage(data: string): Heard {
  const said = objectIn(data)
  const stage = liveStages.find(each => each === (said['type'] === 'fused' ? 'certified' : said['type']))
  if (stage === undefined)
    return { kind: oneOf(said['type'], ['gap', 'unanchored', 'bye'] as const) ?? 'other' }
  const { streamId, partition, count, sourceId, eventIds, packetId } = said
  return {
    kind: 'stage',
    stage,
    streamId: typeof streamId === 'string' ? streamId : '',
    partition: numberOr(partition, 0),
    count: numberOr(count, 0),
    sourceId: typeof sourceId === 'string' ? sourceId : null,
    eventIds: Array.isArray(eventIds) ? eventIds.filter(each => typeof each === 'string') : [],
    packetId: typeof packetId === 'string' ? packetId : null,
    range: rangeOf(said),
  }
}

type Said = Readonly<Record<string, unknown>>

function rangeOf({ firstSeq, lastSeq, firstLine, lastLine }: Said) {
  if (typeof firstSeq === 'number' && typeof lastSeq === 'number')
    return { of: 'seq', first: firstSeq, last: lastSeq } as const
  if (typeof firstLine === 'number' && typeof lastLine === 'number')
    return { of: 'line', first: firstLine, last: lastLine } as const
  return null
}

function objectIn(data: string): Said {
  try {
    const value: unknown = JSON.parse(data)
    return typeof value === 'object' && value !== null ? (value as Said) : {}
  } catch {
    // No message of this node's: it counts as one that says nothing to this page.
    return {}
  }
}

function numberOr(value: unknown, fallback: number): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : fallback
}

function oneOf<T>(value: unknown, all: readonly T[]): T | undefined {
  return all.find(each => each === value)
}
