import { changeLine } from '../../core/event/change-line.ts'
import type { Envelope } from '../../core/event/envelope.ts'
import type { IdentifiedEvent } from '../../core/event/identity.ts'
import { readLine } from '../../core/event/line.ts'
import { orThrow } from '../../core/fault.ts'
import type { Offer, OfferedEvent } from '../../ingest/append.ts'

/** An offered event as its line tells it. */
export function envelopeOf(event: OfferedEvent, { lines, style }: Offer): Envelope {
  return orThrow(readLine(lines.text(event), style.constants))
}

/** The line of an event that is not what it was offered as, with its newline. */
export function changedLine(event: OfferedEvent, identity: IdentifiedEvent, offer: Offer): Buffer {
  return Buffer.from(`${orThrow(changeLine(envelopeOf(event, offer), identity, offer.style))}\n`)
}
