import { accepted, type Outcome, refused } from '../../core/fault.ts'
import { beginning, type Place, type Track, trackNumber } from '../../core/live/track.ts'
import type { Reader } from '../../core/registry/may-read.ts'
import type { LiveFilter } from '../live/live-filter.ts'
import type { ReadEnds } from '../live/piece.ts'
import type { KnownPartition } from '../live/ports.ts'
import { openTokenWriter, readResumeToken, type SealedPositions } from '../live/resume-token.ts'
import { tracksFor } from '../live/tracks-for.ts'

export type FirstPositionDeps = {
  readPartitions(): Promise<readonly KnownPartition[]>
  readonly readEnds: ReadEnds
  /** Where these tracks stood at that time; those that it does not name are up to date since. */
  placesSince(tracks: readonly Track[], sinceMs: number): Promise<ReadonlyMap<number, Place>>
  readonly positions: SealedPositions
  readonly partitionsMax: number
}

/** Where a subscription begins, or goes on: `latest`, `earliest`, a time, or the place that a message has come with. */
export async function firstPosition(
  from: string,
  { filter, reader }: { readonly filter: LiveFilter; readonly reader: Reader },
  { readPartitions, readEnds, placesSince, positions, partitionsMax }: FirstPositionDeps,
): Promise<Outcome<string>> {
  const sinceMs = timeForm.test(from) ? Date.parse(from) : undefined
  if (from !== 'latest' && from !== 'earliest' && sinceMs === undefined) {
    const read = readResumeToken(from, positions)
    return read.ok ? accepted(from) : read
  }
  if (Number.isNaN(sinceMs))
    return refused('query-invalid', `there is no such time as ${from}; take one like 2030-01-31T00:00:00Z`)
  const partitions = new Map((await readPartitions()).map(each => [each.partitionId, each]))
  const tracks = tracksFor(filter, reader, partitions)
  const count = new Set(tracks.map(({ partitionId }) => partitionId)).size
  if (count > partitionsMax)
    return refused(
      'query-invalid',
      `this would follow ${count} partitions, and at most ${partitionsMax} are followed at once; name the streams or topics that matter`,
    )
  const ends = await readEnds(tracks)
  const since = sinceMs === undefined || tracks.length === 0 ? new Map() : await placesSince(tracks, sinceMs)
  const places = new Map(
    tracks.map((track, i): [number, Place] => {
      const number = trackNumber(track)
      const end = ends[i] ?? beginning
      // What has become of packets is no news to whoever is told of the packets.
      if (from === 'earliest') return [number, track.stage === 'news' ? end : beginning]
      return [number, since.get(number) ?? end]
    }),
  )
  const partitionsUpTo = Math.max(0, ...partitions.keys())
  return accepted(openTokenWriter({ partitionsUpTo, places }, positions).token())
}

const timeForm = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/
