import { remainder } from './adapters/cloud-event.ts'
import { ENVELOPE_VERSION, type Envelope } from './envelope.ts'
import type { IdentifiedEvent } from './identity.ts'
import { blindOf } from './line.ts'
import type { StatedIdentity } from './read-identity.ts'
import type { Submission } from './submission.ts'

/** What the node says about every event of a connector and stream. */
export type Assigned = Pick<
  Envelope,
  | 'sourceId'
  | 'sourceVersion'
  | 'connectorId'
  | 'connectorVersion'
  | 'streamId'
  | 'partitionKey'
  | 'domain'
  | 'ingestTimeMs'
> & {
  /** Where the submission has none of its own. */
  readonly type: string
  readonly payloadType: string
  readonly dataVersion: string
  /** Of a restricted stream. */
  readonly streamKey?: Uint8Array
}

/** The event as it enters the log. `stated` is what `identified` was made from. */
export function composeEnvelope(
  submission: Submission,
  assigned: Assigned,
  stated: StatedIdentity,
  identified: IdentifiedEvent,
): Envelope {
  const { streamKey, ...constants } = assigned
  const { eventId, eventTimeMs, flags, revises } = identified
  const { nativeId, sourceSeq, eventTime } = stated
  const envelope: Envelope = {
    schemaVersion: ENVELOPE_VERSION,
    eventId,
    ...constants,
    ...(submission.type === undefined ? {} : { type: submission.type }),
    ...submission.carried,
    eventTimeMs,
    payload: submission.payload,
    qualityFlags: flags,
    ...(nativeId === undefined ? {} : { nativeId }),
    ...(sourceSeq === undefined ? {} : { sourceSeq }),
    ...(revises === undefined ? {} : { revises }),
    ...(eventTime?.text === undefined ? {} : { eventTimeText: eventTime.text }),
    ...(streamKey === undefined ? {} : { blind: blindOf(streamKey, eventId) }),
  }
  if (submission.cloudEvent === undefined) return envelope
  return { ...envelope, cloudEvent: remainder(submission.cloudEvent, envelope) }
}
