import { comparePlaces, type Place, type Track } from '../../core/live/track.ts'
import type { Piece } from './piece.ts'

/** Of the newest pieces of one track, for whoever is about to catch up. */
export const TAIL_BYTES_MAX = 2 * 1024 * 1024

/** All of them together keep no more than this; whoever needs what was let go reads it from the log again. */
export function keepWithin(tails: ReadonlyMap<unknown, Tail>, bytesMax: number): void {
  if (keptBytes(tails) <= bytesMax) return
  for (const tail of tails.values()) tail.keep(Math.floor(bytesMax / tails.size))
}

export function keptBytes(tails: ReadonlyMap<unknown, Tail>): number {
  let bytes = 0
  for (const tail of tails.values()) bytes += tail.keptBytes()
  return bytes
}

/** The end of a track that somebody follows: it is read once, for all of them. */
export type Tail = {
  readonly track: Track
  readonly withEvents: boolean
  /** Up to here everybody who is not behind has been told. */
  readonly end: () => Place
  /** New ones, which begin where it ended. */
  take(pieces: readonly Piece[]): void
  /** From this place towards the end; undefined where what comes next is not kept any more, or was a gap, which may be filled by now. */
  from(place: Place): readonly Piece[] | undefined
  /** What it keeps takes, about. */
  keptBytes(): number
  /** Lets the oldest go that is more than this. */
  keep(bytesMax: number): void
  followers: number
}

export function openTail(track: Track, withEvents: boolean, start: Place): Tail {
  const kept: Piece[] = []
  let [end, bytes] = [start, 0]
  const keep = (bytesMax: number) => {
    let gone = 0
    while (gone < kept.length && bytes > bytesMax) bytes -= kept[gone++]?.bytes ?? 0
    kept.splice(0, gone)
  }
  return {
    track,
    withEvents,
    end: () => end,
    take(pieces) {
      for (const piece of pieces) {
        kept.push(piece)
        bytes += piece.bytes
        end = piece.to
      }
      keep(TAIL_BYTES_MAX)
    },
    keptBytes: () => bytes,
    keep,
    from(place) {
      if (comparePlaces(place, end) >= 0) return []
      const first = kept.findIndex(({ from }) => comparePlaces(from, place) === 0)
      if (first < 0) return undefined
      const gap = kept.findIndex(({ said }, i) => i >= first && said.kind === 'gap')
      return gap === first ? undefined : kept.slice(first, gap < 0 ? undefined : gap)
    },
    followers: 0,
  }
}
