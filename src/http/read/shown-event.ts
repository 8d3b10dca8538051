import { eventWord } from '../../core/jobs/vocabulary.ts'
import type { ListedEvent, Reach } from '../../serve/event-question.ts'

/** An event in a list. Times are in seconds where the name does not say otherwise. */
export function shownInFeed(event: ListedEvent) {
  const { contentHash } = event
  return {
    eventId: event.eventId,
    sourceId: event.sourceId,
    status: eventWord('ingest', event.state),
    contentHash: contentHash && `sha256:${contentHash}`,
    versionId: event.versionId,
    createdAt: Math.floor(event.ingestTimeMs / 1000),
    updatedAt: Math.floor(event.changedMs / 1000),
    streamId: event.streamId,
    type: event.type,
    level: event.level,
    state: event.state,
    orchestration: event.orchestration,
    eventTimeMs: event.eventTimeMs,
    ingestTimeMs: event.ingestTimeMs,
  }
}

/** An event that was searched for: the same, with where it stands and what its source calls it. */
export function shownInSearch(event: ListedEvent) {
  const { nativeId, partition, seq, packetNo, packetId } = event
  return { ...shownInFeed(event), externalId: nativeId, partition, seq, packetNo, packetId }
}

/** How far an answer reaches. */
export function shownReach({ upToMs, behindEvents }: Reach) {
  return { isComplete: behindEvents === 0, upToMs, behindEvents }
}
