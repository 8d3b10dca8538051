import type { Json } from '../core/canonical-json.ts'
import { anything, closedObject, closedReader, text, timeMs } from '../core/closed-object.ts'
import { type EventTime, TIME_CHARS_MAX } from '../core/event/event-time.ts'
import { envelopeChecks, NAME_CHARS_MAX, pickChecks } from '../core/event/read-envelope.ts'
import { type CarriedMembers, carriedMembers, type Submission } from '../core/event/submission.ts'
import type { Outcome } from '../core/fault.ts'

/** What is kept of a held item, edited or not, as the submission that it was. */
export function readHeld(held: Json): Outcome<Submission> {
  return read(held)
}

const read = closedReader<Submission>(
  'held item',
  'event-unreadable',
  closedObject<Submission>(
    { payload: anything, carried: closedObject<CarriedMembers>({}, pickChecks(carriedMembers)) },
    {
      nativeId: envelopeChecks.nativeId,
      eventTime: closedObject<EventTime>({ ms: timeMs }, { text: text(TIME_CHARS_MAX) }),
      sourceSeq: envelopeChecks.sourceSeq,
      type: envelopeChecks.type,
      namedSource: text(NAME_CHARS_MAX),
      cloudEvent: envelopeChecks.cloudEvent,
    },
  ),
)
