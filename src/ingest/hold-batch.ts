import { digestHex } from '../core/digest.ts'
import type { PacketSource } from '../core/log/packet-header.ts'
import type { Source } from '../core/registry/source.ts'
import type { Stream } from '../core/registry/stream.ts'
import type { AppendEvents, Offer } from './append.ts'
import type { AcceptRefusal, QuarantineReason } from './arrived.ts'
import { lineStyleOf } from './line-style.ts'
import { OfferedLines } from './offered-lines.ts'
import { overlayConnector, type SubmittedBatch } from './overlay-batch.ts'
import type { FindStream } from './stream-for.ts'

export type HoldBatchDeps = {
  readonly stream: FindStream
  append: AppendEvents
  readonly held: Pick<HeldBatches, 'find'>
  now(): number
}

/** What was held of a source as one item, told by its fingerprint, as long as nobody has decided over it. */
export type HeldBatches = {
  find(sourceId: string, fingerprint: string): Promise<number | undefined>
  /** Resolves once it is given up, by this publisher. */
  waive(quarantineId: number, publisher: string, why: string): Promise<unknown>
}

/** Why it is held, and whose shares that takes. */
export type Against = Pick<Offer, 'countsFor'> & {
  readonly reason: QuarantineReason
  readonly detail: string
}

export type HoldOutcome =
  | { readonly kind: 'held' }
  /** The source has no stream to hold it in. */
  | { readonly kind: 'nowhere' }
  /** Its stream has just got another policy. */
  | { readonly kind: 'stale-policy' }
  | { readonly kind: 'refused'; readonly refusal: AcceptRefusal }

/** All of it as one held item, in the source's own stream; one, however often it is submitted. */
export async function holdBatch(
  batch: SubmittedBatch,
  source: Source,
  against: Against,
  deps: HoldBatchDeps,
): Promise<HoldOutcome> {
  const { streams } = source
  const { streamId } = batch.token.body
  const stream = await deps.stream(streams.includes(streamId) ? streamId : streams[0])
  if (stream === undefined) return { kind: 'nowhere' }
  if ((await deps.held.find(source.sourceId, fingerprintOf(batch))) !== undefined) return { kind: 'held' }
  const outcome = await deps.append(heldOffer({ batch, source, stream, against, nowMs: deps.now() }))
  return outcome.kind === 'answered' ? { kind: 'held' } : outcome
}

/** Where it was held before it could be taken, nothing is left to decide over. */
export async function waiveHeld(
  batch: SubmittedBatch,
  why: string,
  { held }: { readonly held: HeldBatches },
): Promise<void> {
  const { issuer, body } = batch.token
  const quarantineId = await held.find(body.sourceId, fingerprintOf(batch))
  if (quarantineId !== undefined) await held.waive(quarantineId, issuer, why)
}

function heldOffer({
  batch,
  source,
  stream,
  against: { reason, detail, countsFor },
  nowMs,
}: {
  batch: SubmittedBatch
  source: Source
  stream: Stream
  against: Against
  nowMs: number
}): Offer {
  const { txid, vout, token } = batch
  const { issuer, subject, body } = token
  // Its bytes are where they were, and may be more than is worth keeping twice.
  const { bytes: _bytes, url, ...said } = body
  const named = { txid, vout, issuer, subject, ...said, ...(url !== undefined && { url }) }
  // A stranger's word about a source is nobody's.
  const authenticated: PacketSource['authenticated'] = reason === 'source-unverified' ? 'none' : 'identity'
  return {
    source,
    stream,
    level: stream.level,
    authenticated,
    connector: overlayConnector,
    receivedMs: nowMs,
    bytes: 0,
    ...(countsFor !== undefined && { countsFor }),
    // Without a key: what tells its repetitions is the fingerprint, as long as it is held.
    items: [
      {
        kind: 'held',
        reason,
        detail,
        held: { payload: { batch: named }, carried: {} },
        fingerprint: fingerprintOf(batch),
      },
    ],
    lines: new OfferedLines(),
    keptBytes: 0,
    style: lineStyleOf(source, stream, overlayConnector),
    submissionOf() {
      throw new Error('a batch that is held whole has no events')
    },
  }
}

function fingerprintOf({ token }: SubmittedBatch): string {
  return digestHex('assay:held-batch:1', token.issuer, token.subject)
}
