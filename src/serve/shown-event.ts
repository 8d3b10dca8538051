import type { Json } from '../core/canonical-json.ts'
import { namesOf } from '../core/event/quality-flags.ts'
import { eventWord } from '../core/jobs/vocabulary.ts'
import type { TracedEvent } from './event-trace.ts'
import { eventStateOf, issuesIn, verdictIn } from './event-verdict.ts'
import type { StageLine } from './stage-lines.ts'

/** An event as it was found, with what was recorded of its packet. */
export type ShownEvent = TracedEvent & {
  readonly contentHash: string | null
  readonly versionId: string | null
  readonly evidence: unknown
  readonly outside: readonly unknown[]
  readonly lastError: string | null
  readonly changedMs: number
}

/** What is not known yet is null; times are in seconds where the name does not say otherwise. */
export function shownEvent(event: ShownEvent, line: StageLine | undefined) {
  const { envelope, contentHash } = event
  const state = eventStateOf(event.state, line?.read)
  return {
    eventId: event.eventId,
    sourceId: event.sourceId,
    status: eventWord('ingest', state),
    raw: envelope?.payload ?? null,
    normalized: normalizedIn(line),
    contentHash: contentHash && `sha256:${contentHash}`,
    versionId: event.versionId,
    evidence: evidenceOf(event, line),
    outside: event.outside,
    lastError: event.lastError,
    createdAt: Math.floor(event.ingestTimeMs / 1000),
    updatedAt: Math.floor(event.changedMs / 1000),
    state,
    orchestration: event.orchestration,
    streamId: event.stream.streamId,
    partition: event.partition,
    seq: event.seq,
    packetNo: event.packetNo,
    packetId: event.packetId,
    type: event.type,
    externalId: envelope?.nativeId ?? null,
    revises: envelope?.revises ?? null,
    eventTimeMs: event.eventTimeMs,
    ingestTimeMs: event.ingestTimeMs,
    qualityFlags: event.flags,
    qualityFlagNames: namesOf(event.flags),
  }
}

/** What was refused has no payload in what was agreed on, and none here. */
function normalizedIn(line: StageLine | undefined): Json {
  return line?.read.kind === 'event' ? line.read.event.payload : null
}

/** In the order of stages; each step once something is known of it. */
function evidenceOf({ evidence, contentHash, versionId }: ShownEvent, line: StageLine | undefined) {
  const judged =
    line === undefined
      ? []
      : [{ step: 'normalize', verdict: verdictIn(line.read), issues: issuesIn(line.read) }]
  const certified = typeof evidence === 'object' && evidence !== null ? [evidence] : []
  return [
    ...judged,
    ...certified.map(each => ({
      step: 'certify',
      provider: 'quorum',
      contentHash: contentHash && `sha256:${contentHash}`,
      versionId,
      ...each,
    })),
  ]
}
