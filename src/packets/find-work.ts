import { decideSeal, type UnsealedHead } from './decide-seal.ts'
import { decideWindow, type IdleHead } from './decide-window.ts'
import type { Pace } from './pace.ts'
import type { Lease, OpenHead, SealedStream, SealingLog, SealWish } from './ports.ts'

/** A partition that something can be done for now. */
export type Work = {
  readonly partitionId: number
  /** Of all that is sealed; undefined where that is not known. */
  readonly bytes: number | undefined
  /** Ends a packet, where that is still due. Without it, packets are to be made whose ends are marked. */
  mark?(lease: Lease): Promise<'marked' | 'not now' | 'lost'>
}

export type Found = { readonly due: readonly Work[]; readonly nextMs: number }

export type FindWorkDeps = {
  readonly log: Pick<SealingLog, 'mark'>
  streamOf(streamId: string): Promise<SealedStream>
  now(): number
}

/** Packets that can end now, and when the next of the others can. */
export async function findOpen(heads: readonly OpenHead[], pace: Pace, deps: FindWorkDeps): Promise<Found> {
  const due: Work[] = []
  let nextMs = Number.POSITIVE_INFINITY
  for (const head of heads) {
    const stream = await deps.streamOf(head.streamId)
    const window = await windowOf(head, stream)
    const decide = (seen: UnsealedHead) =>
      decideSeal(seen, { latenessMs: stream.latenessMs, window, isBehind: head.isBehind }, pace, deps.now())
    const decision = decide(head)
    if (decision.kind === 'wait') nextMs = Math.min(nextMs, decision.untilMs)
    if (decision.kind !== 'seal') continue
    // Decided again under the lock: an append may have ended the packet meanwhile, for reasons of its own.
    const wish = (locked: UnsealedHead) => asWish(decide(locked), locked, stream, deps.now())
    const { partitionId, unsealedBytes, hasUnmade } = head
    const bytes = hasUnmade ? undefined : unsealedBytes
    due.push({ partitionId, bytes, mark: lease => deps.log.mark(lease, wish) })
  }
  return { due, nextMs }
}

/** Empty packets that close windows which nothing else closes. */
export async function findIdle(
  heads: readonly (UnsealedHead & IdleHead)[],
  deps: FindWorkDeps,
): Promise<readonly Work[]> {
  const due: Work[] = []
  for (const head of heads) {
    const stream = await deps.streamOf(head.streamId)
    const window = await windowOf(head, stream)
    const decision = decideWindow(head, { latenessMs: stream.latenessMs, window }, deps.now())
    if (decision.kind !== 'seal') continue
    const wish = (locked: UnsealedHead) =>
      locked.nextPacket === head.nextPacket && locked.nextSeq === head.nextSeq
        ? asWish(decision, locked, stream, deps.now())
        : undefined
    due.push({ partitionId: head.partitionId, bytes: 0, mark: lease => deps.log.mark(lease, wish) })
  }
  return due
}

/** Windows are those of the policy set that their events came under. */
function windowOf({ policyDigest }: UnsealedHead, stream: SealedStream) {
  return stream.windowOf(policyDigest ?? stream.policyDigest)
}

function asWish(
  decision: ReturnType<typeof decideSeal>,
  { policyDigest }: UnsealedHead,
  stream: SealedStream,
  nowMs: number,
): SealWish | undefined {
  if (decision.kind !== 'seal') return undefined
  const { because, watermarkMs } = decision
  const { rosterDigest } = stream
  return { because, watermarkMs, policyDigest: policyDigest ?? stream.policyDigest, rosterDigest, nowMs }
}
