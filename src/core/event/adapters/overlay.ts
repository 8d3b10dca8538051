import type { Json } from '../../canonical-json.ts'
import { anything, closedObject, closedReader } from '../../closed-object.ts'
import { accepted, type Outcome } from '../../fault.ts'
import { readEventTime } from '../event-time.ts'
import { envelopeChecks, pickChecks } from '../read-envelope.ts'
import { readNativeId, readSourceSeq } from '../read-identity.ts'
import { type CarriedMembers, carriedMembers, type Submission } from '../submission.ts'

/** One entry of `events` in a POST to /overlay/events/ingest. */
type OverlayItem = CarriedMembers & {
  readonly eventType: string
  readonly data: Json
  readonly externalId?: Json
  readonly timestamp?: Json
  readonly sourceSeq?: Json
}

const readItem = closedReader<OverlayItem>(
  'overlay event',
  'event-unreadable',
  closedObject<OverlayItem>(
    { eventType: envelopeChecks.type, data: anything },
    { ...pickChecks(carriedMembers), externalId: anything, timestamp: anything, sourceSeq: anything },
  ),
)

export function fromOverlay(item: Json): Outcome<Submission> {
  const read = readItem(item)
  if (!read.ok) return read
  const { eventType, data, externalId, timestamp, sourceSeq, ...carried } = read.value

  let submission: Submission = { payload: data, type: eventType, carried }
  if (externalId !== undefined) {
    const nativeId = readNativeId(externalId, '/externalId')
    if (!nativeId.ok) return nativeId
    submission = { ...submission, nativeId: nativeId.value }
  }
  if (timestamp !== undefined) {
    const eventTime = readEventTime(timestamp, '/timestamp')
    if (!eventTime.ok) return eventTime
    submission = { ...submission, eventTime: eventTime.value }
  }
  if (sourceSeq !== undefined) {
    const sequence = readSourceSeq(sourceSeq, '/sourceSeq')
    if (!sequence.ok) return sequence
    submission = { ...submission, sourceSeq: sequence.value }
  }
  return accepted(submission)
}
