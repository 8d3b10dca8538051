import { comparePlaces, type LivePartition, type Place, type Track } from '../../core/live/track.ts'
import type { Piece } from './piece.ts'
import { cutAt, isWithin } from './rest-of-pieces.ts'

/**
 * Of the newest pieces of one track, for whoever is about to catch up: some seconds of a busy one, since who has to read them
 * from the log again takes much longer over it, and falls further behind.
 */
export const TAIL_BYTES_MAX = 4 * 1024 * 1024
/** Given to one reader at once. */
export const TAKEN_BYTES_MAX = 1024 * 1024

/** All of them together keep no more than this; whoever needs what was let go reads it from the log again. */
export function keepWithin(tails: ReadonlyMap<unknown, Tail>, bytesMax: number): void {
  if (keptBytes(tails) <= bytesMax) return
  const ascending = [...tails.values()].sort((a, b) => a.keptBytes() - b.keptBytes())
  let left = bytesMax
  for (const [i, tail] of ascending.entries()) {
    // What the smaller ones do not need is for the larger.
    tail.keep(Math.floor(left / (ascending.length - i)))
    left -= tail.keptBytes()
  }
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
  /**
   * From this place towards the end, as much as is taken at once; undefined where what comes next is not kept any more, is
   * within a packet, or was a gap, which may be filled by now.
   */
  from(place: Place): readonly Piece[] | undefined
  /** What it keeps takes, about. */
  keptBytes(): number
  /** Lets the oldest go that is more than this. */
  keep(bytesMax: number): void
}

/** A tail, and its partition as it was when a group began to follow it. */
export type Followed = { readonly tail: Tail; readonly partition: LivePartition }

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
      const first = firstBeyond(kept, place)
      const piece = kept[first]
      if (piece === undefined) return undefined
      // Only what was received can be cut: a packet is told of as a whole.
      const isThere =
        track.stage === 'received' ? isWithin(piece, place) : comparePlaces(piece.from, place) === 0
      if (!isThere) return undefined
      let [next, taken] = [first, 0]
      for (let each = kept[next]; each !== undefined && taken < TAKEN_BYTES_MAX; each = kept[next]) {
        if (each.said.kind === 'gap') break
        taken += each.bytes
        next++
      }
      return next === first ? undefined : [cutAt(piece, place), ...kept.slice(first + 1, next)]
    },
  }
}

/** Of the first that goes beyond this place; it may begin behind it. */
function firstBeyond(pieces: readonly Piece[], place: Place): number {
  let [low, high] = [0, pieces.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    const piece = pieces[middle]
    if (piece !== undefined && comparePlaces(piece.to, place) <= 0) low = middle + 1
    else high = middle
  }
  return low
}
