import { digestHex } from '../core/digest.ts'
import type { PacketSource } from '../core/log/packet-header.ts'
import type { Source } from '../core/registry/source.ts'
import type { Stream } from '../core/registry/stream.ts'
import type { AppendEvents, Offer } from './append.ts'
import type { Accept, AcceptRefusal, ItemAnswer, QuarantineReason } from './arrived.ts'
import { lineStyleOf } from './line-style.ts'
import { OfferedLines } from './offered-lines.ts'
import { type BatchPart, partsOf, type SubmittedBatch } from './overlay-batch.ts'

export type TakeBatchDeps = {
  source(sourceId: string): Promise<Source | undefined>
  stream(streamId: string): Promise<Stream | undefined>
  bytesOf: BatchBytes
  accept: Accept
  append: AppendEvents
  now(): number
}

/** The bytes whose hash is the batch's subject. */
export type BatchBytes = (batch: SubmittedBatch) => Promise<FoundBytes>
export type FoundBytes =
  | { readonly kind: 'found'; readonly bytes: Uint8Array }
  /** Not now; they may be there later. */
  | { readonly kind: 'unavailable'; readonly detail: string }
  /** Never. */
  | { readonly kind: 'unreadable'; readonly detail: string }

export type TakenBatch =
  | ({ readonly kind: 'taken' } & Counts)
  | { readonly kind: 'held'; readonly reason: QuarantineReason; readonly detail: string }
  /** There is nowhere to keep it: it has no source or no stream here. */
  | { readonly kind: 'refused'; readonly detail: string }
  /** `ours`: it has done nothing to be waited with, and may be tried as often as it takes. */
  | { readonly kind: 'later'; readonly detail: string; readonly ours: boolean; readonly afterMs?: number }

export type Counts = {
  readonly accepted: number
  readonly duplicate: number
  readonly quarantined: number
  readonly rejected: number
}

/**
 * Makes events of a batch that the overlay has admitted. Each step is in the log under a key of the batch's own, so
 * beginning again after a crash, or beside another node, adds nothing: it gets the answers of the first time.
 */
export async function takeBatch(
  batch: SubmittedBatch,
  { isLastTry }: { readonly isLastTry: boolean },
  deps: TakeBatchDeps,
): Promise<TakenBatch> {
  const { issuer, body } = batch.token
  const source = await deps.source(body.sourceId)
  if (source === undefined) {
    const detail = `no source ${JSON.stringify(body.sourceId)} is registered; register it with the key ${issuer}`
    return isLastTry ? { kind: 'refused', detail } : { kind: 'later', detail, ours: false }
  }
  const against = againstPublisher(source, issuer)
  if (against !== undefined) return hold(batch, source, 'source-unverified', against, deps)

  const found = await deps.bytesOf(batch)
  if (found.kind === 'unavailable' && !isLastTry) return { kind: 'later', detail: found.detail, ours: false }
  if (found.kind !== 'found') return hold(batch, source, 'batch-unreadable', found.detail, deps)
  const parts = partsOf(batch, found.bytes, source.shape)
  if (!parts.ok) return hold(batch, source, 'batch-unreadable', parts.fault.detail, deps)
  return takeParts(batch, source, parts.value, deps)
}

/** Whose key of an append is whose: no other route makes keys in this scope. */
export const overlayScope = 'overlay'

/** Of all keys of a batch the beginning. */
export function batchKey({ token }: Pick<SubmittedBatch, 'token'>): string {
  return `${token.issuer}:${token.subject}`
}

const connector = { connectorId: 'overlay', connectorVersion: '1.0.0' }

function againstPublisher(
  { sourceId, type, identityKey, enabled }: Source,
  issuer: string,
): string | undefined {
  const source = `the source ${JSON.stringify(sourceId)}`
  if (type !== 'overlay') return `${source} is of type ${type}, and batches come from sources of type overlay`
  if (identityKey !== issuer)
    return `the batch is signed by ${issuer}, and ${source} belongs to ${identityKey ?? 'nobody'}`
  return enabled ? undefined : `${source} is not enabled`
}

async function takeParts(
  batch: SubmittedBatch,
  source: Source,
  parts: readonly BatchPart[],
  { accept, now }: TakeBatchDeps,
): Promise<TakenBatch> {
  const { streamId } = batch.token.body
  const answers: ItemAnswer[] = []
  for (const [i, { items, bytes }] of parts.entries()) {
    const key = parts.length === 1 ? batchKey(batch) : `${batchKey(batch)}:${i}`
    const outcome = await accept({
      source,
      authenticated: 'identity',
      connector,
      streamId,
      receivedMs: now(),
      bytes,
      idempotency: { scope: overlayScope, key, bodyHash: batch.token.subject },
      items,
    })
    if (outcome.kind === 'refused') return afterRefusal(outcome.refusal)
    answers.push(...outcome.items)
  }
  return { kind: 'taken', ...countsOf(answers) }
}

function afterRefusal(refusal: AcceptRefusal): TakenBatch {
  switch (refusal.why) {
    case 'unknown-stream':
      return {
        kind: 'refused',
        detail: `the source has no stream ${JSON.stringify(refusal.streamId)}, and its policy refuses events of others`,
      }
    case 'unpublished':
      return { kind: 'refused', detail: `the stream ${JSON.stringify(refusal.streamId)} is not published` }
    case 'key-reused':
      throw new Error('another batch is in the log under the key of this one, though its hash is in the key')
    case 'quota':
    case 'rate':
      return later(`over its limit: ${refusal.limit}`, refusal.retryAfterS)
    case 'backlog':
    case 'disk':
      return later(`pushed back: ${refusal.why}`, refusal.retryAfterS)
  }
}

function later(detail: string, retryAfterS: number): TakenBatch {
  return { kind: 'later', detail, ours: true, afterMs: retryAfterS * 1000 }
}

/** All of it as one held item, in the source's own stream. */
async function hold(
  batch: SubmittedBatch,
  source: Source,
  reason: QuarantineReason,
  detail: string,
  deps: TakeBatchDeps,
): Promise<TakenBatch> {
  const stream = await streamFor(source, batch.token.body.streamId, deps)
  if (stream === undefined) return { kind: 'refused', detail }
  const outcome = await deps.append(heldOffer(batch, source, stream, { reason, detail, nowMs: deps.now() }))
  if (outcome.kind === 'stale-policy')
    return { kind: 'later', detail: 'the policy of its stream has just changed', ours: true }
  return outcome.kind === 'refused' ? afterRefusal(outcome.refusal) : { kind: 'held', reason, detail }
}

async function streamFor(
  { streams }: Source,
  named: string,
  deps: TakeBatchDeps,
): Promise<Stream | undefined> {
  return deps.stream(streams.includes(named) ? named : streams[0])
}

function heldOffer(
  batch: SubmittedBatch,
  source: Source,
  stream: Stream,
  { reason, detail, nowMs }: { reason: QuarantineReason; detail: string; nowMs: number },
): Offer {
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
    connector,
    receivedMs: nowMs,
    bytes: 0,
    idempotency: { scope: overlayScope, key: batchKey(batch), bodyHash: subject },
    items: [
      {
        kind: 'held',
        reason,
        detail,
        held: { payload: { batch: named }, carried: {} },
        fingerprint: digestHex('assay:held-batch:1', issuer, subject),
      },
    ],
    lines: new OfferedLines(),
    keptBytes: 0,
    style: lineStyleOf(source, stream, connector),
    submissionOf() {
      throw new Error('a batch that is held whole has no events')
    },
  }
}

function countsOf(answers: readonly ItemAnswer[]): Counts {
  const count = (...statuses: ItemAnswer['status'][]) =>
    answers.filter(({ status }) => statuses.includes(status)).length
  return {
    accepted: count('accepted', 'revision'),
    duplicate: count('duplicate'),
    quarantined: count('quarantined'),
    rejected: count('rejected'),
  }
}
