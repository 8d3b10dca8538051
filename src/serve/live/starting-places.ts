import { beginning, comparePlaces, type LivePartition, type Place, trackOf } from '../../core/live/track.ts'
import { mayRead, type Reader } from '../../core/registry/may-read.ts'
import type { HubDeps, KnownPartition, Start } from './ports.ts'
import type { Positions } from './resume-token.ts'
import type { Tail } from './tail.ts'

/** Who follows what, as far as it matters for where they begin. */
export type Followers = {
  readonly reader: Reader
  readonly followed: ReadonlyMap<
    number,
    { readonly tail: Pick<Tail, 'track' | 'withEvents' | 'end'>; readonly partition: LivePartition }
  >
}

/** Where somebody begins on each track, and what has to be said of the position that was asked for. */
export async function startingPlaces(
  start: Start,
  group: Followers,
  { partitions, ...about }: AboutTracks & { readonly partitions: ReadonlyMap<number, KnownPartition> },
): Promise<{ places: Map<number, Place>; gaps: object[] }> {
  const places = new Map<number, Place>()
  const gaps: object[] = []
  const { followed } = group
  if (start === 'latest' || start === 'earliest') {
    const all = [...followed]
    // Tails may be a moment behind; nobody is told of what was before it came.
    const ends = await about.readEnds(all.map(([, { tail }]) => tail.track))
    for (const [i, [number, { tail }]] of all.entries())
      places.set(
        number,
        start === 'earliest' && tail.track.stage !== 'news' ? beginning : (ends[i] ?? tail.end()),
      )
    return { places, gaps }
  }

  const goingOn = await placesToGoOn(start, group, about)
  return {
    places: goingOn.places,
    gaps: [...goingOn.gaps.values(), ...(await notFollowed(start.places, group, partitions, about))],
  }
}

/** What is asked about tracks that a position names. */
type AboutTracks = Pick<HubDeps, 'readEnds' | 'readOldest'>

/** The same for a position of which nothing is said but what is wrong with it on tracks that are followed, by their numbers. */
export async function placesToGoOn(
  { places: asked, partitionsUpTo }: Positions,
  group: Followers,
  { readEnds, readOldest }: AboutTracks,
): Promise<{ places: Map<number, Place>; gaps: Map<number, object> }> {
  const places = new Map<number, Place>()
  const gaps: GapOnTrack[] = []
  const ends = await freshEnds(asked, group, readEnds)
  const furthest = await furthestEnds(asked, group, ends, readEnds)
  for (const [number, { tail, partition }] of group.followed) {
    const { track, withEvents } = tail
    const place = asked.get(number)
    const end = ends.get(number) ?? tail.end()
    const on = { number, track, withEvents, partition, to: end }
    if (place === undefined) {
      // A partition that was opened since is new from its first event on.
      const isNew = track.partitionId > partitionsUpTo
      if (!isNew && track.stage !== 'news') gaps.push({ ...on, reason: 'not-in-position', from: null })
      places.set(number, isNew ? beginning : end)
      continue
    }
    // Between the two is what was told of and is taken back: it is not told of again.
    const isAhead = comparePlaces(place, furthest.get(number) ?? end) > 0
    if (isAhead) gaps.push({ ...on, reason: 'ahead', from: place })
    places.set(number, isAhead ? end : place)
  }
  return { places, gaps: await sayGaps(gaps, readOldest) }
}

type PositionGap = 'not-in-position' | 'ahead' | 'not-followed' | 'unknown'

type GapOnTrack = Parameters<HubDeps['readOldest']>[0][number] & {
  readonly number: number
  readonly partition: LivePartition
  readonly reason: PositionGap
  readonly from: Place | null
  readonly to: Place | null
}

/** By the number of the track that each is on, with the oldest place that can be asked for instead. */
async function sayGaps(
  gaps: readonly GapOnTrack[],
  readOldest: HubDeps['readOldest'],
): Promise<Map<number, object>> {
  if (gaps.length === 0) return new Map()
  const oldest = await readOldest(gaps)
  return new Map(
    gaps.map(({ number, track, partition: { streamId, partition }, from, to, reason }, i) => [
      number,
      {
        ...{ type: 'gap', streamId, partition, stage: track.stage, from, to, reason },
        ...{ packetNo: null, oldest: oldest[i] ?? beginning },
      },
    ]),
  )
}

/** Another node may have told of more than this one has seen yet, so the database is asked before anything is doubted. */
async function freshEnds(
  asked: ReadonlyMap<number, Place>,
  { followed }: Followers,
  readEnds: HubDeps['readEnds'],
): Promise<Map<number, Place>> {
  const ahead = [...followed].filter(([number, { tail }]) => {
    const place = asked.get(number)
    return place === undefined || comparePlaces(place, tail.end()) > 0
  })
  if (ahead.length === 0) return new Map()
  const ends = await readEnds(ahead.map(([, { tail }]) => tail.track))
  return new Map(ahead.map(([number, { tail }], i) => [number, ends[i] ?? tail.end()]))
}

/** Of tracks that end before the place that was asked for. */
async function furthestEnds(
  asked: ReadonlyMap<number, Place>,
  { followed }: Followers,
  ends: ReadonlyMap<number, Place>,
  readEnds: HubDeps['readEnds'],
): Promise<Map<number, Place>> {
  const beyond = [...followed].filter(([number, { tail }]) => {
    const place = asked.get(number)
    return place !== undefined && comparePlaces(place, ends.get(number) ?? tail.end()) > 0
  })
  if (beyond.length === 0) return new Map()
  const tracks = beyond.map(([, { tail }]) => tail.track)
  const furthest = await readEnds(tracks, 'ever')
  return new Map(beyond.map(([number, { tail }], i) => [number, furthest[i] ?? tail.end()]))
}

/** What the position says of tracks that are not asked for now. What may not be read is said of like what is not there. */
async function notFollowed(
  asked: ReadonlyMap<number, Place>,
  { followed, reader }: Followers,
  partitions: ReadonlyMap<number, KnownPartition>,
  { readOldest }: AboutTracks,
): Promise<object[]> {
  const gaps: GapOnTrack[] = []
  let isAnyUnknown = false
  for (const [number, from] of asked) {
    if (followed.has(number)) continue
    const track = trackOf(number)
    const partition = track && partitions.get(track.partitionId)
    if (track?.stage === 'news') continue
    if (track === undefined || partition === undefined || !mayRead(reader, partition.stream)) {
      isAnyUnknown = true
      continue
    }
    gaps.push({ number, track, withEvents: false, partition, reason: 'not-followed', from, to: null })
  }
  const said = [...(await sayGaps(gaps, readOldest)).values()]
  // It is about no track that could be named, and so about no place on one.
  if (isAnyUnknown)
    said.push({
      ...{ type: 'gap', streamId: null, partition: null, stage: null, from: null, to: null },
      ...{ reason: 'unknown' satisfies PositionGap, packetNo: null, oldest: null },
    })
  return said
}
