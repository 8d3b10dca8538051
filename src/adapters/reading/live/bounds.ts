/** Of one reading, in all; each track that is read has at least one segment or packet of it. */
export const READ_BYTES_MAX = 8 * 1024 * 1024
/** Of one track in one reading. */
export const TRACK_BYTES_MAX = 1024 * 1024
export const TRACK_ROWS_MAX = 256
/** Of one piece, and so of one message. */
export const PIECE_EVENTS_MAX = 1_000
/** What an event takes in memory beside its line, about. */
export const EVENT_OVERHEAD_BYTES = 300

export function bytesEach(tracks: number): number {
  return Math.max(64 * 1024, Math.min(TRACK_BYTES_MAX, Math.floor(READ_BYTES_MAX / Math.max(1, tracks))))
}
