import { canonicalJson } from '../../core/canonical-json.ts'
import type { Assigned } from '../../core/event/compose-envelope.ts'
import { ENVELOPE_VERSION } from '../../core/event/envelope.ts'
import {
  type Arrival,
  type IdentifiedEvent,
  identify,
  type ObservedEvent,
} from '../../core/event/identity.ts'
import type { LineConstants } from '../../core/event/line.ts'
import { lineWriter, type WriteLine } from '../../core/event/line-writer.ts'
import { qualityFlags } from '../../core/event/quality-flags.ts'
import type { Outcome } from '../../core/fault.ts'
import type { Offer, OfferedEvent, OfferedItem } from '../../ingest/append.ts'

/** An offer with the lines that its events will have unless the log knows better. */
export type PreparedOffer = {
  readonly offer: Offer
  /** Canonical. */
  readonly constants: string
  readonly writeLine: WriteLine
  readonly items: readonly PreparedItem[]
}

export type PreparedItem = PreparedEvent | Exclude<OfferedItem, OfferedEvent>

export type PreparedEvent = {
  readonly kind: 'event'
  readonly event: OfferedEvent
  readonly observed: ObservedEvent
  readonly arrival: Arrival
  /** As the first of its id. */
  readonly identity: IdentifiedEvent
  /** As of what was known of the partition before; `lineFor` makes another where that was not so. */
  readonly line: string
  readonly late: boolean
}

/**
 * Everything that can be done before a transaction begins. `watermarkMs`: up to where the partition was sealed when this
 * process wrote to it last.
 */
export function prepareOffer(offer: Offer, watermarkMs: number): PreparedOffer {
  const constants = constantsOf(offer)
  const writeLine = lineWriter(assignedBy(offer), constants)
  const items = offer.items.map((item, index): PreparedItem => {
    if (item.kind !== 'event') return item
    const observed = observedOf(item, offer)
    const arrival = { ingestTimeMs: offer.receivedMs, key: offer.arrivalKey, index }
    const identity = identify(observed, arrival)
    if (identity.kind !== 'event') throw new Error('an event that nothing is known of was not taken as new')
    const late = isLate(identity, watermarkMs)
    const line = lineFor({ event: item, identity, late }, writeLine)
    if (!line.ok) return { kind: 'rejected', ...line.fault }
    return { kind: 'event', event: item, observed, arrival, identity, line: line.value, late }
  })
  return { offer, constants: canonicalJson(constants), writeLine, items }
}

/** It came after its partition was sealed beyond its time. */
export function isLate({ eventTimeMs }: IdentifiedEvent, watermarkMs: number): boolean {
  return eventTimeMs < watermarkMs
}

export function lineFor(placed: Placed, writeLine: WriteLine): Outcome<string> {
  const { event, identity } = placed
  const { submission, stated, partitionKey, payloadJcs } = event
  const identified = { ...identity, flags: flagsOf(placed) }
  return writeLine({ submission, stated, identified, partitionKey, payloadJcs })
}

type Placed = Pick<PreparedEvent, 'event' | 'late' | 'identity'>

export function flagsOf({ event, identity, late }: Placed): number {
  return identity.flags | event.flags | (late ? qualityFlags.LATE : 0)
}

function observedOf({ stated, payloadJcs }: OfferedEvent, { source, stream }: Offer): ObservedEvent {
  const { nativeId, sourceSeq, eventTime } = stated
  return {
    sourceId: source.sourceId,
    streamId: stream.streamId,
    payloadJcs,
    ...(nativeId !== undefined && { nativeId }),
    ...(sourceSeq !== undefined && { sourceSeq }),
    ...(eventTime !== undefined && { eventTimeMs: eventTime.ms }),
  }
}

function assignedBy({ source, stream, connector, receivedMs }: Offer): Omit<Assigned, 'partitionKey'> {
  return {
    sourceId: source.sourceId,
    sourceVersion: source.sourceVersion,
    connectorId: connector.connectorId,
    connectorVersion: connector.connectorVersion,
    streamId: stream.streamId,
    domain: stream.domain,
    ingestTimeMs: receivedMs,
    type: source.eventType,
    payloadType: source.payloadType,
    dataVersion: source.dataVersion,
    ...(stream.blindKey !== undefined && { streamKey: stream.blindKey }),
  }
}

/** Those of the members that a policy declares constant which this node fills in; others it leaves in the lines. */
function constantsOf(offer: Offer): LineConstants {
  const { streamKey: _key, ingestTimeMs: _time, ...assigned } = assignedBy(offer)
  const known: LineConstants = { schemaVersion: ENVELOPE_VERSION, ...assigned }
  const declared = (offer.stream.policy.constants ?? []).filter(member => known[member] !== undefined)
  return Object.fromEntries(declared.map(member => [member, known[member]]))
}
