import type { LivePartition, Place } from '../../core/live/track.ts'
import { writeTimestamp } from '../../core/timestamp.ts'
import { message, nothing, sayGapOrNews } from './common-messages.ts'
import { asksOfEvents, type LiveFilter, wantsEvent, wantsSource } from './live-filter.ts'
import type { Message, SayPiece } from './message.ts'
import type { LiveEvent, PacketFacts } from './piece.ts'

/** `/overlay/events/stream`: what is certified, event by event. What is not known is null. */
export const sayToSubscribers: SayPiece = (piece, on, filter) => {
  const common = sayGapOrNews(piece, on, filter)
  if (common !== undefined) return common
  const { said, to } = piece
  if (said.kind !== 'events' || said.packet === null) return [nothing(to)]
  const { packet } = said
  const wanted = said.events.filter(event => wants(event, on.partition, filter))
  if (wanted.length === 0) return [nothing(to)]
  return wanted.map((event, i) =>
    sayLine(event, i === wanted.length - 1 ? to : event.next, packet, on.partition, filter),
  )
}

function wants(event: LiveEvent, partition: LivePartition, filter: LiveFilter): boolean {
  if (event.kind === 'event') return wantsEvent(filter, partition, event)
  if (asksOfEvents(filter)) return false
  return event.kind === 'fused' ? filter.sourceIds === undefined : wantsSource(filter, event.sourceId)
}

function sayLine(
  event: LiveEvent,
  move: Place,
  packet: PacketFacts,
  { streamId, partition, level }: LivePartition,
  { withEvidence }: LiveFilter,
): Message {
  const { packetNo, packetId, versionId } = packet
  const where = { streamId, partition, packetNo, packetId, line: event.position, versionId }
  if (event.kind === 'fused')
    return message(move, { type: 'fused', certificationLevel: level, data: event.record(), ...where })
  const { eventId, sourceId, issues } = event
  if (event.kind === 'set-aside')
    return message(move, { type: 'quarantined', eventId, sourceId, issues, ...where })
  return message(
    move,
    {
      type: 'event',
      eventId,
      eventType: event.type,
      certificationLevel: level,
      timestamp: event.eventTimeMs === null ? null : (writeTimestamp(event.eventTimeMs) ?? null),
      data: event.payload(),
      certification: {
        agentId: packet.certifier?.agentId ?? null,
        signature: packet.certifier?.signature ?? null,
        consensusNodes: packet.agreeing,
      },
      overlayMetadata: { latency: latencyOf(event, packet), reliability: null },
      sourceId,
      issues,
      ...where,
      ...(withEvidence && { processingEvidence: { agents: packet.agents, certification: packet.evidence } }),
    },
    1,
  )
}

/** From when it was taken in until its certificate was on the network, in milliseconds. */
function latencyOf({ ingestTimeMs }: LiveEvent, { certifiedMs }: PacketFacts): number | null {
  return ingestTimeMs === null || certifiedMs === null ? null : Math.max(0, certifiedMs - ingestTimeMs)
}
