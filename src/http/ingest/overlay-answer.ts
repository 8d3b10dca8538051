import { digestHex } from '../../core/digest.ts'
import type { Source } from '../../core/registry/source.ts'
import type { ItemAnswer } from '../../ingest/arrived.ts'
import type { Sender } from './sender.ts'
import { answered, type Taken } from './taken.ts'

export type OverlayAnswerDeps = {
  readonly source: Source
  readonly sender: Sender
  /** Dotted names under which the events are followed. */
  readonly topics: readonly string[]
  /** Asked for, and none of those. */
  readonly otherTopics: readonly string[]
  readonly latencyMs: number
}

/**
 * The answer of POST /overlay/events/ingest. Jobs begin with the round that an event's packet is in, so of a job
 * nothing is known yet but its kind.
 */
export function overlayAnswer(
  taken: Taken,
  { source, sender, topics, otherTopics, latencyMs }: OverlayAnswerDeps,
) {
  const { items, counts } = taken
  return {
    ingestionId: ingestionId(source.sourceId, items),
    processedEvents: items.map(item => processed(item, topics)),
    overlayMetadata: {
      sourceVerified: sender.authenticated !== 'none',
      identityScore: source.trustScore,
      processingLatency: Math.round(latencyMs),
      ...(otherTopics.length > 0 && { topicsNotServed: otherTopics }),
    },
    counts,
    itemsTruncated: items.length < answered(counts),
  }
}

/** Follows from what became of the items, so the same events sent again have the same. */
function ingestionId(sourceId: string, items: readonly ItemAnswer[]): string {
  const digest = digestHex('assay:ingestion:1', sourceId, ...items.map(item => idOf(item) ?? item.status))
  return `ingest_${digest.slice(0, INGESTION_ID_CHARS)}`
}

const INGESTION_ID_CHARS = 32

function processed(item: ItemAnswer, topics: readonly string[]) {
  const isNew = item.status === 'accepted' || item.status === 'revision'
  return {
    eventId: eventIdOf(item) ?? null,
    externalId: item.status === 'rejected' ? null : (item.nativeId ?? null),
    status: isNew ? 'ingested' : item.status,
    overlayJobs: isNew ? [{ jobId: null, jobType: 'normalize', assignedAgent: null, status: 'queued' }] : [],
    overlayDistribution: { topics: isNew ? topics : [], publishedAt: null, consensusNodes: 0 },
    ...particulars(item),
  }
}

function particulars(item: ItemAnswer) {
  switch (item.status) {
    case 'accepted':
      return { partition: item.partition, seq: item.seq }
    case 'revision':
      return { partition: item.partition, seq: item.seq, revises: item.revises }
    case 'quarantined':
      return { quarantineId: item.quarantineId, reason: item.reason, detail: item.detail }
    case 'rejected': {
      const { status: _, ...problem } = item
      return problem
    }
    case 'duplicate':
      return {}
  }
}

function eventIdOf(item: ItemAnswer): string | undefined {
  if (item.status === 'duplicate') return item.of
  return 'eventId' in item ? item.eventId : undefined
}

function idOf(item: ItemAnswer): string | undefined {
  return item.status === 'quarantined' ? item.quarantineId : eventIdOf(item)
}
