import { beginning, comparePlaces, type Place, type Track, trackNumber } from '../../core/live/track.ts'
import type { Reader } from '../../core/registry/may-read.ts'
import { sayToSubscribers } from '../live/event-messages.ts'
import type { LiveFilter } from '../live/live-filter.ts'
import type { ReadPieces } from '../live/piece.ts'
import { type HubDeps, hubBounds, type KnownPartition } from '../live/ports.ts'
import type { Positions } from '../live/resume-token.ts'
import { type Followers, placesToGoOn } from '../live/starting-places.ts'
import { tracksFor } from '../live/tracks-for.ts'
import { type BatchBounds, type BatchMessage, collectBatch } from './collect-batch.ts'

export type BatchQuestion = {
  readonly filter: LiveFilter
  /** What it may read by now. */
  readonly reader: Reader
  readonly partitions: ReadonlyMap<number, KnownPartition>
  readonly from: Positions
  /** Of a delivery that is tried again: not beyond where it ended. */
  readonly until?: Positions | undefined
  /** Nobody has held the position against the log yet. */
  readonly isFresh: boolean
  /** Another track goes first each time, so that a busy one keeps none waiting. */
  readonly turn: number
  readonly bounds: BatchBounds
}

export type ReadBatch = {
  readonly messages: readonly BatchMessage[]
  /** Where its reader stands with all of it. */
  readonly position: Positions
  /** At once; up to `until`, where that is said. */
  readonly isMore: boolean
  /** Its place on some track is still to be held against the log. */
  readonly isFresh: boolean
}

/** What a subscription is owed next, as far as one delivery has room for it. */
export async function readBatch(
  question: BatchQuestion,
  { readPieces, ...about }: Pick<HubDeps, 'readEnds' | 'readOldest'> & { readonly readPieces: ReadPieces },
): Promise<ReadBatch> {
  const { filter, reader, partitions, from, until, isFresh, turn, bounds } = question
  const tracks = tracksFor(filter, reader, partitions)
  const followed = followedOf(tracks, question)
  const started = await placesToGoOn(from, { reader, followed }, about)
  const gaps = [...started.gaps].filter(([number]) => until === undefined || until.places.has(number))
  const told = gaps.slice(0, bounds.events).map(
    ([track, said]): BatchMessage => ({
      ...{ track, json: JSON.stringify(said), sinceMs: null },
      at: started.places.get(track) ?? beginning,
    }),
  )
  // What comes after a gap is told once that was.
  const wanted = rotated(tracks, turn).flatMap(track => {
    const number = trackNumber(track)
    const [place, end] = [started.places.get(number), until?.places.get(number)]
    if (place === undefined || started.gaps.has(number)) return []
    if (until !== undefined && end === undefined) return []
    return [{ number, track, from: place, ...(end && { until: end }), withEvents: false }]
  })
  const read = wanted.length === 0 ? [] : await readPieces(wanted)
  const batch = collectBatch(
    wanted.flatMap(({ number, track, until: end }, i) => {
      const partition = partitions.get(track.partitionId)
      return partition ? [{ number, track, partition, pieces: read[i]?.pieces ?? [], until: end }] : []
    }),
    sayToSubscribers,
    filter,
    { ...bounds, events: bounds.events - told.length },
  )
  // Where it stood on what it may not follow any more is kept, for the day that it may again, while there is room.
  const places = new Map(from.places)
  // Of partitions that were opened since, nothing is missing.
  for (const [number, place] of started.places) if (!started.gaps.has(number)) places.set(number, place)
  for (const { track, at } of told) places.set(track, at)
  for (const [number, place] of batch.places) places.set(number, place)
  const isMore = batch.isFull || told.length < gaps.length || read.some(({ more }) => more)
  // What may not be followed now was not read, and so its place stays.
  const ends = [...(until?.places ?? [])].filter(([number]) => followed.has(number))
  const isBehind = ends.some(([number, end]) => comparePlaces(places.get(number) ?? beginning, end) < 0)
  const isShort = isMore && isBehind
  if (!isShort) for (const [number, end] of ends) places.set(number, end)
  return {
    messages: [...told, ...batch.messages].sort((a, b) => a.track - b.track),
    position: {
      partitionsUpTo: Math.max(from.partitionsUpTo, ...partitions.keys()),
      places: fitting(places, followed),
    },
    isFresh: isFresh && told.length < gaps.length,
    isMore: until === undefined ? isMore : isShort,
  }
}

/** What a position has room for: two tracks of each partition that may be followed at once. */
const PLACES_MAX = 2 * hubBounds.partitionsMax

function fitting(
  places: ReadonlyMap<number, Place>,
  followed: Followers['followed'],
): ReadonlyMap<number, Place> {
  return places.size <= PLACES_MAX ? places : new Map([...places].filter(([number]) => followed.has(number)))
}

/** How many partitions the filter leads to. */
export function countPartitions({
  filter,
  reader,
  partitions,
}: Pick<BatchQuestion, 'filter' | 'reader' | 'partitions'>): number {
  return new Set(tracksFor(filter, reader, partitions).map(({ partitionId }) => partitionId)).size
}

/** A place is believed, but for the first time: then it is held against where the track ends. */
function followedOf(
  tracks: readonly Track[],
  { from, partitions, isFresh }: BatchQuestion,
): Followers['followed'] {
  const followed = new Map<
    number,
    { tail: { track: Track; withEvents: boolean; end(): Place }; partition: KnownPartition }
  >()
  for (const track of tracks) {
    const number = trackNumber(track)
    const partition = partitions.get(track.partitionId)
    const end = (isFresh ? undefined : from.places.get(number)) ?? beginning
    if (partition !== undefined)
      followed.set(number, { tail: { track, withEvents: false, end: () => end }, partition })
  }
  return followed
}

function rotated<T>(items: readonly T[], turn: number): T[] {
  const at = items.length === 0 ? 0 : turn % items.length
  return [...items.slice(at), ...items.slice(0, at)]
}
