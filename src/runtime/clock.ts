/** The clock that events are received and sealed by. */
export function openClock(offsetMs: number): () => number {
  return () => Date.now() + offsetMs
}
