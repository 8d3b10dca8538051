import type { LivePartition, Place, Track } from '../../core/live/track.ts'
import { message, nothing, sayGapOrNews } from './common-messages.ts'
import { asksOfEvents, type LiveFilter, takesAll, wantsEvent, wantsSource } from './live-filter.ts'
import type { Message, SayPiece } from './message.ts'
import type { LiveEvent, PacketFacts } from './piece.ts'

/** `/watch`: every stage, in the words of its oldest clients, who look at type, sourceId, count, eventIds and versionId. */
export const sayToWatchers: SayPiece = (piece, on, filter, { reduced }) => {
  const common = sayGapOrNews(piece, on, filter)
  if (common !== undefined) return common
  const { said, to } = piece
  if (said.kind === 'packet') return sayPacket(said.packet, to, on, filter)
  if (said.kind !== 'events') return []
  if (said.packet !== null && !endsWithLines(on.track))
    return sayPicked(said.packet, said.events, to, on, filter)
  const runs = runsOf(said.events, on.partition, filter)
  if (runs.length === 0) return [takesAll(filter) ? sayEmpty(said.packet, to, on) : nothing(to)]
  return runs.map((run, i) =>
    // The last one takes its reader past what it did not ask for.
    sayRun(run, said.packet, i === runs.length - 1 ? to : run.next, on, reduced),
  )
}

type On = { readonly track: Track; readonly partition: LivePartition }

/** Neighbours of one source. */
type Run = {
  readonly sourceId: string
  readonly events: LiveEvent[]
  setAside: number
  first: number
  last: number
  next: Place
}

function runsOf(events: readonly LiveEvent[], partition: LivePartition, filter: LiveFilter): Run[] {
  const runs: Run[] = []
  for (const event of events) {
    // A fused record is of no single source; who asks for some of the events is told of those.
    if (event.kind === 'fused' ? !takesAll(filter) : !wantsLine(event, partition, filter)) continue
    let run = runs.at(-1)
    if (run === undefined || run.sourceId !== event.sourceId) {
      run = {
        sourceId: event.sourceId,
        events: [],
        setAside: 0,
        first: event.position,
        last: event.position,
        next: event.next,
      }
      runs.push(run)
    }
    if (event.kind === 'set-aside') run.setAside += 1
    else run.events.push(event)
    run.last = event.position
    run.next = event.next
  }
  return runs
}

/** What was set aside has no payload and no type left to ask for. */
function wantsLine(event: LiveEvent, partition: LivePartition, filter: LiveFilter): boolean {
  if (event.kind === 'set-aside') return wantsSource(filter, event.sourceId) && !asksOfEvents(filter)
  return wantsEvent(filter, partition, event)
}

function sayRun(
  run: Run,
  packet: PacketFacts | null,
  move: Place,
  { track, partition: { streamId, partition } }: On,
  reduced: boolean,
): Message {
  const { events, first, last, setAside } = run
  const isFused = events[0]?.kind === 'fused'
  const sourceId = isFused ? null : run.sourceId
  const eventIds = reduced || isFused ? null : events.map(({ eventId }) => eventId)
  const count = events.length
  if (packet === null)
    return message(
      move,
      { type: track.stage, sourceId, count, eventIds, streamId, partition, firstSeq: first, lastSeq: last },
      count,
    )
  const { packetNo, packetId, versionId } = packet
  return message(
    move,
    {
      type: isFused ? 'fused' : track.stage,
      ...(eventIds?.length === 1 && { eventId: eventIds[0] }),
      ...{ versionId, sourceId, count, eventIds, setAside },
      ...{ streamId, partition, packetNo, packetId, firstLine: first, lastLine: last },
    },
    count,
  )
}

/** Packets follow one another without a hole, so one that is empty is told of too. */
function sayEmpty(
  packet: PacketFacts | null,
  move: Place,
  { track, partition: { streamId, partition } }: On,
): Message {
  if (packet === null) return nothing(move)
  const { packetNo, packetId, versionId } = packet
  return message(move, {
    type: track.stage,
    ...{ versionId, sourceId: null, count: 0, eventIds: [], setAside: 0 },
    ...{ streamId, partition, packetNo, packetId, firstLine: null, lastLine: null },
  })
}

function sayPacket(packet: PacketFacts, move: Place, on: On, filter: LiveFilter): Message[] {
  if (filter.sourceIds !== undefined && !packet.sourceIds.some(sourceId => wantsSource(filter, sourceId)))
    return [nothing(move)]
  return [message(move, packetBody(packet, on, packet.count, null), packet.count)]
}

/** Of a packet whose events were read because somebody asks for some of them. */
function sayPicked(
  packet: PacketFacts,
  events: readonly LiveEvent[],
  move: Place,
  on: On,
  filter: LiveFilter,
): Message[] {
  const picked = events.filter(event => wantsEvent(filter, on.partition, event)).map(({ eventId }) => eventId)
  return picked.length === 0
    ? [nothing(move)]
    : [message(move, packetBody(packet, on, picked.length, picked), picked.length)]
}

function packetBody(
  { packetNo, packetId, versionId, firstSeq, count: all, sourceIds, orchestration }: PacketFacts,
  { track, partition: { streamId, partition } }: On,
  count: number,
  eventIds: readonly string[] | null,
) {
  return {
    type: track.stage,
    ...{ versionId, sourceIds, count, eventIds, orchestration },
    ...{ streamId, partition, packetNo, packetId, firstSeq, lastSeq: all === 0 ? null : firstSeq + all - 1 },
  }
}

function endsWithLines({ stage }: Track): boolean {
  return stage === 'received' || stage === 'certified'
}
