/**
 * Why items are held that were judged for the stream that they are held in: its owner is shown them. The others came for another
 * stream, or for none that anybody knows, and are the business of their feed's publisher alone.
 */
export const reasonsOfStreams: readonly string[] = [
  'audience-mismatch',
  'stale-event-time',
  'future-event-time',
  'identity-undecided',
]
