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
    ...cloudEventUnder(eventId, envelope),
  }
  return eventLine(changed, constants, canonicalJson(envelope.payload))
}

/** Its id is left out where it is the event's own, which is another one now. */
function cloudEventUnder(eventId: string, { cloudEvent, eventId: before }: Envelope): Partial<Envelope> {
  if (cloudEvent === undefined) return {}
  const { id = before, ...others } = cloudEvent
  return { cloudEvent: id === eventId ? others : { ...others, id } }
}

/** The line with other flags: what follows them has no room for a member's name, so the last place is theirs. */
export function withFlags(line: string, flags: number): string {
  const start = line.lastIndexOf(FLAGS)
  if (start < 0) throw new Error('a line without quality flags is no event’s')
  const from = start + FLAGS.length
  return `${line.slice(0, from)}${flags}${line.slice(from).replace(/^\d+/, '')}`
}

const FLAGS = ',"qualityFlags":'
