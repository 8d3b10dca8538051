import { changeLine, withFlags } from '../../core/event/change-line.ts'
import type { Envelope } from '../../core/event/envelope.ts'
import type { IdentifiedEvent } from '../../core/event/identity.ts'
import { readLine } from '../../core/event/line.ts'
import { orThrow } from '../../core/fault.ts'
import type { Offer, OfferedEvent } from '../../ingest/append.ts'

/** An offered event as its line tells it. */
export function readBack(event: OfferedEvent, { lines, style }: Offer): Envelope {
  return orThrow(readLine(lines.text(event), style.constants))
}

/** The line of an event that is not what it was offered as, with its newline. `flags`: all that it has now. */
export function changedLine(
  event: OfferedEvent,
  identity: IdentifiedEvent,
  flags: number,
  offer: Offer,
): Buffer {
  // Late and nothing else is what most of them are.
  const line =
    identity === event.identity
      ? withFlags(offer.lines.text(event), flags)
      : orThrow(changeLine(readBack(event, offer), { ...identity, flags }, offer.style))
  return Buffer.from(`${line}\n`)
}
