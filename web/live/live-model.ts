import { type Journeys, openJourneys } from './journeys.ts'
import { type Heard, readMessage } from './read-message.ts'
import { openRecent, type Recent, type RecentEvent, TAKEN_PER_SECOND } from './recent.ts'
import { openTally, type Tally, waitedStages } from './tally.ts'

/** Streams with a tally of their own; what others bring is counted in the sum alone. */
export const STREAMS_MAX = 100

/** All that the page *Live* knows, of a size that does not grow with what is heard. */
export type LiveModel = {
  hear(data: string, nowMs: number): Heard
  listening(nowMs: number): void
  seed(events: readonly RecentEvent[]): void
  readonly all: Tally
  readonly streams: ReadonlyMap<string, Tally>
  readonly recent: Recent
  /** Said to be missing by the node. */
  gaps(): number
  /** Streams beyond those that have a tally of their own. */
  unlisted(): number
}

export function openLiveModel(): LiveModel {
  const all = openTally()
  const streams = new Map<string, Tally>()
  const unlisted = new Set<string>()
  const recent = openRecent()
  const journeys = openJourneys()
  let gaps = 0

  const tallies = (streamId: string): readonly Tally[] => {
    const known = streams.get(streamId)
    if (known !== undefined) return [all, known]
    if (streams.size >= STREAMS_MAX) {
      if (unlisted.size < STREAMS_MAX) unlisted.add(streamId)
      return [all]
    }
    const made = openTally()
    streams.set(streamId, made)
    return [all, made]
  }

  return {
    all,
    streams,
    recent,
    gaps: () => gaps,
    unlisted: () => unlisted.size,
    seed: recent.seed,
    listening(nowMs) {
      for (const tally of [all, ...streams.values()]) tally.listening(nowMs)
    },
    hear(data, nowMs) {
      const heard = readMessage(data)
      if (heard.kind === 'gap') gaps++
      if (heard.kind !== 'stage') return heard
      const its = tallies(heard.streamId)
      for (const tally of its) tally.listening(nowMs)
      for (const tally of its) tally.count(heard.stage, heard.count, nowMs)
      follow(heard, its, { journeys, recent, nowMs })
      return heard
    },
  }
}

type On = { readonly journeys: Journeys; readonly recent: Recent; readonly nowMs: number }

/** Where its events are now, and how long they took. */
function follow(
  heard: Extract<Heard, { kind: 'stage' }>,
  tallies: readonly Tally[],
  { journeys, recent, nowMs }: On,
): void {
  const { stage, streamId, partition, packetId, range, count, eventIds, sourceId } = heard
  const where = `${streamId} ${partition}`
  if (stage === 'received') {
    if (range === null) return
    journeys.began(where, range.first, range.last, nowMs)
    // Which of its ids has which sequence is known where none of them was left out.
    const isDense = range.last - range.first + 1 === eventIds.length
    const events = isDense
      ? eventIds.slice(0, TAKEN_PER_SECOND).map((eventId, i) => ({
          ...{ eventId, streamId, partition, heardMs: nowMs },
          ...{ seq: range.first + i, sourceId: sourceId ?? '' },
        }))
      : []
    recent.received(events, count, nowMs)
    return
  }
  const seqs = sequences(heard, journeys)
  if (seqs === undefined) return
  if (packetId !== null && range?.of === 'seq') journeys.packet(packetId, range.first)
  recent.reached(stage, streamId, partition, seqs.first, seqs.last)
  const waited = waitedStages.find(each => each === stage)
  if (waited !== undefined)
    for (const { events, heardMs } of journeys.waits(where, seqs.first, seqs.last))
      for (const tally of tallies) tally.wait(waited, nowMs - heardMs, events, nowMs)
  if (stage === 'proven') journeys.ended(where, seqs.last)
}

function sequences({ range, packetId }: Extract<Heard, { kind: 'stage' }>, { seqOf }: Journeys) {
  if (range === null || range.of === 'seq') return range ?? undefined
  if (packetId === null) return undefined
  const [first, last] = [seqOf(packetId, range.first), seqOf(packetId, range.last)]
  return first === undefined || last === undefined ? undefined : { first, last }
}
