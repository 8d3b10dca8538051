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
    { readonly tail: Pick<Tail, 'track' | 'end'>; readonly partition: LivePartition }
  >
}

/** Where somebody begins on each track, and what has to be said of the position that was asked for. */
export async function startingPlaces(
  start: Start,
  group: Followers,
  {
    partitions,
    readEnds,
  }: Pick<HubDeps, 'readEnds'> & { readonly partitions: ReadonlyMap<number, KnownPartition> },
): Promise<{ places: Map<number, Place>; gaps: object[] }> {
  const places = new Map<number, Place>()
  const gaps: object[] = []
  const { followed } = group
  if (start === 'latest' || start === 'earliest') {
    const all = [...followed]
    // Tails may be a moment behind; nobody is told of what was before it came.
    const ends = await readEnds(all.map(([, { tail }]) => tail.track))
    for (const [i, [number, { tail }]] of all.entries())
      places.set(
        number,
        start === 'earliest' && tail.track.stage !== 'news' ? beginning : (ends[i] ?? tail.end()),
      )
    return { places, gaps }
  }

  const goingOn = await placesToGoOn(start, group, readEnds)
  return {
    places: goingOn.places,
    gaps: [...goingOn.gaps.values(), ...notFollowed(start.places, group, partitions)],
  }
}

/** The same for a position of which nothing is said but what is wrong with it on tracks that are followed, by their numbers. */
export async function placesToGoOn(
  { places: asked, partitionsUpTo }: Positions,
  group: Followers,
  readEnds: HubDeps['readEnds'],
): Promise<{ places: Map<number, Place>; gaps: Map<number, object> }> {
  const places = new Map<number, Place>()
  const gaps = new Map<number, object>()
  const ends = await freshEnds(asked, group, readEnds)
  for (const [number, { tail, partition }] of group.followed) {
    const { stage } = tail.track
    const place = asked.get(number)
    const end = ends.get(number) ?? tail.end()
    const gap = (reason: PositionGap, from: Place | null) => {
      const { streamId, partition: shard } = partition
      gaps.set(number, {
        ...{ type: 'gap', streamId, partition: shard, stage, from, to: end, reason },
        ...{ packetNo: null, oldest: beginning },
      })
    }
    if (place === undefined) {
      // A partition that was opened since is new from its first event on.
      const isNew = tail.track.partitionId > partitionsUpTo
      if (!isNew && stage !== 'news') gap('not-in-position', null)
      places.set(number, isNew ? beginning : end)
      continue
    }
    const isAhead = comparePlaces(place, end) > 0
    if (isAhead) gap('ahead', place)
    places.set(number, isAhead ? end : place)
  }
  return { places, gaps }
}

type PositionGap = 'not-in-position' | 'ahead' | 'not-followed' | 'unknown'

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

/** What the position says of tracks that are not asked for now. What may not be read is said of like what is not there. */
function notFollowed(
  asked: ReadonlyMap<number, Place>,
  { followed, reader }: Followers,
  partitions: ReadonlyMap<number, KnownPartition>,
): object[] {
  const gaps: object[] = []
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
    const { streamId, partition: shard } = partition
    gaps.push({
      ...{ type: 'gap', streamId, partition: shard, stage: track.stage, from, to: null },
      ...{ reason: 'not-followed' satisfies PositionGap, packetNo: null, oldest: beginning },
    })
  }
  if (isAnyUnknown)
    gaps.push({
      ...{ type: 'gap', streamId: null, partition: null, stage: null, from: null, to: null },
      ...{ reason: 'unknown' satisfies PositionGap, packetNo: null, oldest: null },
    })
  return gaps
}
