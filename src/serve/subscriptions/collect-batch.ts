import { comparePlaces, type LivePartition, type Place, type Track } from '../../core/live/track.ts'
import type { LiveFilter } from '../live/live-filter.ts'
import type { SayPiece } from '../live/message.ts'
import type { Piece } from '../live/piece.ts'

/** What was read of one track, from where a subscription stands on it. */
export type ReadTrack = {
  readonly number: number
  readonly track: Track
  readonly partition: LivePartition
  readonly pieces: readonly Piece[]
  /** A delivery that is tried again ends here. */
  readonly until?: Place | undefined
}

export type BatchBounds = { readonly events: number; readonly bytes: number }

export type BatchMessage = {
  readonly track: number
  readonly json: string
  /** Where its reader stands with it. */
  readonly at: Place
  readonly sinceMs: number | null
}

export type Batch = {
  readonly messages: readonly BatchMessage[]
  /** Where its reader stands with all of it, on the tracks on which that is further on. */
  readonly places: ReadonlyMap<number, Place>
  /** There is more than there was room for. */
  readonly isFull: boolean
}

/**
 * As much as one delivery has room for; one message always has. Each track in its order; which track goes first is the
 * caller's to say, and makes no difference to the order within the batch.
 */
export function collectBatch(
  tracks: readonly ReadTrack[],
  say: SayPiece,
  filter: LiveFilter,
  { events: eventsMax, bytes: bytesMax }: BatchBounds,
): Batch {
  const messages: BatchMessage[] = []
  const places = new Map<number, Place>()
  let [bytes, isFull] = [0, false]
  for (const { number, track, partition, pieces, until } of tracks) {
    for (const { json, move, sinceMs } of said(pieces, { track, partition }, say, filter)) {
      if (until !== undefined && comparePlaces(move, until) > 0) break
      if (json !== '') {
        isFull = messages.length >= eventsMax || (messages.length > 0 && bytes + json.length > bytesMax)
        if (isFull) break
        messages.push({ track: number, json, at: move, sinceMs })
        bytes += json.length
      }
      places.set(number, move)
    }
    if (isFull) break
  }
  return { messages: messages.sort((a, b) => a.track - b.track), places, isFull }
}

function* said(
  pieces: readonly Piece[],
  on: { readonly track: Track; readonly partition: LivePartition },
  say: SayPiece,
  filter: LiveFilter,
) {
  for (const piece of pieces)
    for (const { json, move } of say(piece, on, filter, { reduced: false }))
      yield { json, move: move ?? piece.to, sinceMs: piece.sinceMs }
}
