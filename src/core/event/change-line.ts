import { canonicalJson } from '../canonical-json.ts'
import type { Outcome } from '../fault.ts'
import type { Envelope } from './envelope.ts'
import type { IdentifiedEvent } from './identity.ts'
import { blindOf, eventLine, type LineConstants } from './line.ts'

/** The line of the same event as somebody else: what was known of its id says more than the event itself. */
export function changeLine(
  envelope: Envelope,
  { eventId, flags, revises }: IdentifiedEvent,
  { constants, streamKey }: { readonly constants: LineConstants; readonly streamKey?: Uint8Array },
): Outcome<string> {
  const changed: Envelope = {
    ...envelope,
    eventId,
    qualityFlags: flags,
    ...(revises !== undefined && { revises }),
    ...(streamKey !== undefined && { blind: blindOf(streamKey, eventId) }),
  }
  return eventLine(changed, constants, canonicalJson(envelope.payload))
}
