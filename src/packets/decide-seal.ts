import { watermarkOf } from '../core/log/watermark.ts'
import type { Pace } from './pace.ts'
import type { WindowReach } from './window-reach.ts'

/** Where a partition ends, as far as sealing has to know. */
export type UnsealedHead = {
  readonly partitionId: number
  readonly streamId: string
  readonly nextSeq: number
  readonly sealedSeq: number
  readonly nextPacket: number
  readonly unsealedBytes: number
  readonly unsealedSinceMs: number | null
  readonly lastAppendedMs: number | null
  readonly eventMsMax: number | null
  readonly watermarkMs: number
  /** Of the policy set that what is unsealed was built with; null before the first event. */
  readonly policyDigest: string | null
}

export type Circumstances = {
  readonly latenessMs: number
  readonly window: WindowReach | undefined
  /** Agents have an earlier packet of the partition, and are not at the last stage of their work on it. */
  readonly isBehind: boolean
}

export type SealBecause = 'time' | 'size' | 'watermark' | 'window'

export type SealDecision =
  | { readonly kind: 'seal'; readonly because: SealBecause; readonly watermarkMs: number }
  | { readonly kind: 'wait'; readonly untilMs: number }
  /** There is nothing that could be sealed before something else comes. */
  | { readonly kind: 'nothing' }

/**
 * Whether a packet ends here and now. What waits is sealed once it is large, once it is old, and, while a node has
 * time, as soon as nothing follows it, or as soon as it closes a window that somebody waits for. Behind a packet that
 * agents work on it waits until they are nearly done: it could not go on before, and rounds cost by the packet.
 */
export function decideSeal(
  head: UnsealedHead,
  { latenessMs, window, isBehind }: Circumstances,
  pace: Pace,
  nowMs: number,
): SealDecision {
  if (head.nextSeq === head.sealedSeq || head.unsealedSinceMs === null) return { kind: 'nothing' }
  const watermarkMs = watermarkOf(head, latenessMs)
  const seal = (because: SealBecause): SealDecision => ({ kind: 'seal', because, watermarkMs })

  if (head.nextSeq - head.sealedSeq >= pace.eventsMax || head.unsealedBytes >= pace.bytesMax)
    return seal('size')
  const oldMs = head.unsealedSinceMs + (isBehind ? pace.behindMs : pace.lingerMs)
  // A clock was set back, or another node's is ahead: nobody can tell how old it is, and it must not wait for that clock.
  const isFromAhead = head.unsealedSinceMs > nowMs + pace.lingerMs
  if (nowMs >= oldMs || isFromAhead) return seal('time')
  if (isBehind) return { kind: 'wait', untilMs: oldMs }
  const { lastAppendedMs, unsealedSinceMs } = head
  const aloneMs = (lastAppendedMs ?? unsealedSinceMs) + (pace.aloneMs ?? Number.POSITIVE_INFINITY)
  const dueMs = Math.min(oldMs, aloneMs)
  if (nowMs >= dueMs) return seal('time')
  if (pace.watermarkAfterMs === undefined || window === undefined) return { kind: 'wait', untilMs: dueMs }
  if (!closesWindow(window, head.watermarkMs, watermarkMs)) return { kind: 'wait', untilMs: dueMs }
  const ripeMs = head.unsealedSinceMs + pace.watermarkAfterMs
  return nowMs >= ripeMs ? seal('watermark') : { kind: 'wait', untilMs: Math.min(dueMs, ripeMs) }
}

/** Windows end at multiples of their length, and close when the watermark is so far beyond that. */
function closesWindow({ windowMs, latenessMs }: WindowReach, fromMs: number, toMs: number): boolean {
  const windowAt = (watermarkMs: number) => Math.floor((watermarkMs - latenessMs) / windowMs)
  return windowAt(toMs) > windowAt(fromMs)
}
