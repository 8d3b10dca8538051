import type { SealDecision } from './decide-seal.ts'
import type { WindowReach } from './window-reach.ts'

/** A partition whose events are all sealed. */
export type IdleHead = {
  readonly eventMsMax: number | null
  readonly watermarkMs: number
  /** When its last packet was decided. */
  readonly sealedMs: number
  readonly lastWasEmpty: boolean
}

/**
 * Whether an empty packet closes the windows that the last events have left open. While nothing comes, the watermark
 * goes on with the clock from where the events have brought it: a source that falls silent holds no window open for
 * ever, also where its events are of another year. It is moved as far as the last window needs and no further, so that what
 * comes later is late only where it has to be.
 */
export function decideWindow(
  { eventMsMax, watermarkMs, sealedMs, lastWasEmpty }: IdleHead,
  { latenessMs, window }: { readonly latenessMs: number; readonly window: WindowReach | undefined },
  nowMs: number,
): SealDecision {
  if (window === undefined || eventMsMax === null || lastWasEmpty) return { kind: 'nothing' }
  const closesAllMs = eventMsMax + window.windowMs + window.latenessMs
  if (watermarkMs >= closesAllMs) return { kind: 'nothing' }
  const passesMs = sealedMs + (closesAllMs - (eventMsMax - latenessMs))
  if (nowMs < passesMs) return { kind: 'wait', untilMs: passesMs }
  return { kind: 'seal', because: 'window', watermarkMs: closesAllMs }
}
