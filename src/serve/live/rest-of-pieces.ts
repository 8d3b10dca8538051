import { comparePlaces, type Place } from '../../core/live/track.ts'
import type { Piece } from './piece.ts'

/** Whether this place is where a piece begins, or within it. */
export function isWithin({ from, to }: Piece, place: Place): boolean {
  return comparePlaces(from, place) <= 0 && comparePlaces(place, to) < 0
}

/** What of a piece of what was received is behind a place within it: each event has one place there. */
export function cutAt(piece: Piece, place: Place): Piece {
  const { from, said } = piece
  const before = place.at - from.at
  if (before === 0) return piece
  if (said.kind !== 'events') return { ...piece, from: place }
  return { ...piece, from: place, said: { ...said, events: said.events.slice(before) } }
}
