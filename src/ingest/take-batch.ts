import type { Limits } from '../core/registry/limits.ts'
import type { Source } from '../core/registry/source.ts'
import type { Stream } from '../core/registry/stream.ts'
import type { Accept, AcceptRefusal, Arrived, ItemAnswer, QuarantineReason } from './arrived.ts'
import {
  type Against,
  type HeldBatches,
  type HoldBatchDeps,
  type HoldOutcome,
  holdBatch,
  waiveHeld,
} from './hold-batch.ts'
import { mostAtOnce } from './most-at-once.ts'
import {
  linesOf,
  overlayConnector,
  PART_CHARS_MAX,
  PART_EVENTS_MAX,
  type PartBounds,
  partFrom,
  type SubmittedBatch,
} from './overlay-batch.ts'
import { streamFor } from './stream-for.ts'

export type TakeBatchDeps = HoldBatchDeps & {
  source(sourceId: string): Promise<Source | undefined>
  accept: Accept
  readonly held: HeldBatches
  /** What may be held within a window of time of all that no source is shown to have sent. */
  readonly strangers: Limits
  /** Of each batch: called between its lines, a promise where others go first. Large ones can take seconds. */
  turns?(): () => Promise<void> | undefined
}

/** One try of a batch. */
export type Try = {
  readonly isLastTry: boolean
  /** What earlier tries have come to. */
  readonly soFar: Progress
  bytesOf(): Promise<FoundBytes>
  /** Resolves once it is on record that the batch is taken so far. */
  note(progress: Progress): Promise<void>
  /** False: there is no time any more. */
  pause(milliseconds: number): Promise<boolean>
}

/** So many of its first lines are answered, like this. */
export type Progress = Counts & { readonly lines: number }

/** The bytes whose hash is the batch's subject. */
export type FoundBytes =
  | { readonly kind: 'found'; readonly bytes: Uint8Array }
  /** Not now; they may be there later. */
  | { readonly kind: 'unavailable'; readonly detail: string }
  /** Never. */
  | { readonly kind: 'unreadable'; readonly detail: string }

export type TakenBatch =
  | ({ readonly kind: 'taken' } & Counts)
  | { readonly kind: 'held'; readonly reason: QuarantineReason; readonly detail: string }
  /** There is nowhere to keep it: it has no source or no stream here, or no room is left for what strangers submit. */
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
export async function takeBatch(batch: SubmittedBatch, once: Try, deps: TakeBatchDeps): Promise<TakenBatch> {
  const { isLastTry, soFar, bytesOf } = once
  const { issuer, body } = batch.token
  if (soFar.lines >= body.count) return allTaken(batch, soFar, deps)
  const source = await deps.source(body.sourceId)
  if (source === undefined) {
    const detail = `no source ${JSON.stringify(body.sourceId)} is registered; register it with the key ${issuer}`
    return isLastTry ? { kind: 'refused', detail } : { kind: 'later', detail, ours: false }
  }
  const against = againstPublisher(source, issuer)
  if (against !== undefined) return holdOfStranger(batch, source, against, once, deps)

  const found = await bytesOf()
  if (found.kind === 'unavailable' && !isLastTry) return { kind: 'later', detail: found.detail, ours: false }
  if (found.kind !== 'found') return holdUnreadable(batch, source, found.detail, deps)
  const lines = await linesOf(batch, found.bytes, deps.turns?.())
  if (!lines.ok) return holdUnreadable(batch, source, lines.fault.detail, deps)
  return takeLines({ batch, source, lines: lines.value }, once, deps)
}

/** Whose key of an append is whose: no other route makes keys in this scope. */
const overlayScope = 'overlay'

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

type ReadBatch = {
  readonly batch: SubmittedBatch
  readonly source: Source
  readonly lines: readonly string[]
}

/** So long one try waits for a rate that it has had its part of: coming back, it would have to read the batch again. */
const RATE_WAIT_MS_MAX = 10_000

/**
 * Where a part ends follows from limits, which change; so a part is known by its first line, and who comes again with
 * another end gets the answers of the first time, and goes on behind the last of them.
 */
async function takeLines(
  read: ReadBatch,
  { soFar, note, pause }: Try,
  deps: TakeBatchDeps,
): Promise<TakenBatch> {
  const { batch, source, lines } = read
  const found = await streamFor(source, batch.token.body.streamId, deps.stream)
  if ('why' in found) return afterRefusal(found)
  const bounds = boundsOf(source, found.stream)
  let taken = soFar
  let waitMs = RATE_WAIT_MS_MAX
  while (taken.lines < lines.length) {
    const outcome = await deps.accept(arrivedFrom(taken.lines, read, bounds, deps))
    if (outcome.kind === 'refused') {
      const { refusal } = outcome
      const pauseMs = refusal.why === 'rate' ? refusal.retryAfterS * 1000 : Number.POSITIVE_INFINITY
      waitMs -= pauseMs
      // Who has had nothing in this try lets others have their turn.
      if (taken === soFar || waitMs < 0 || !(await pause(pauseMs))) return afterRefusal(refusal)
      continue
    }
    taken = added(taken, outcome.items)
    await note(taken)
  }
  return allTaken(batch, taken, deps)
}

async function allTaken(
  batch: SubmittedBatch,
  { lines: _lines, ...counts }: Progress,
  deps: TakeBatchDeps,
): Promise<TakenBatch> {
  await waiveHeld(batch, 'the batch was submitted again, and is taken', deps)
  return { kind: 'taken', ...counts }
}

/** What has more than a limit allows at once is refused each time that it comes. */
function boundsOf(source: Source, stream: Stream): PartBounds {
  const least = (most: number, ...names: (keyof Limits)[]) =>
    Math.min(most, ...[source, stream].flatMap(({ limits }) => names.map(name => limits[name] ?? most)))
  return {
    eventsMax: Math.min(
      mostAtOnce(source.limits, stream.limits),
      least(PART_EVENTS_MAX, 'eventsPerDay', 'eventsPerMonth'),
    ),
    charsMax: least(PART_CHARS_MAX, 'bytesPerDay', 'bytesPerMonth'),
  }
}

function arrivedFrom(
  from: number,
  { batch, source, lines }: ReadBatch,
  bounds: PartBounds,
  { now }: TakeBatchDeps,
): Arrived {
  const { issuer, subject, body } = batch.token
  return {
    source,
    authenticated: 'identity',
    connector: overlayConnector,
    streamId: body.streamId,
    receivedMs: now(),
    idempotency: { scope: overlayScope, key: `${issuer}:${subject}:from ${from}`, bodyHash: subject },
    ...partFrom(from, lines, { batch, shape: source.shape, bounds }),
  }
}

function added(taken: Progress, answers: readonly ItemAnswer[]): Progress {
  const counts = countsOf(answers)
  return {
    lines: taken.lines + answers.length,
    accepted: taken.accepted + counts.accepted,
    duplicate: taken.duplicate + counts.duplicate,
    quarantined: taken.quarantined + counts.quarantined,
    rejected: taken.rejected + counts.rejected,
  }
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

/** What strangers submit takes shares of its own, all of it together, and does not wait for them for ever. */
async function holdOfStranger(
  batch: SubmittedBatch,
  source: Source,
  detail: string,
  { isLastTry }: Try,
  deps: TakeBatchDeps,
): Promise<TakenBatch> {
  const countsFor = { scope: 'overlay strangers', limits: deps.strangers }
  const against = { reason: 'source-unverified', detail, countsFor } as const
  const outcome = await holdBatch(batch, source, against, deps)
  if (outcome.kind !== 'refused' || !isLimit(outcome.refusal)) return afterHold(outcome, against)
  const why = `${detail}; no more of such batches is held now: ${outcome.refusal.limit}`
  return isLastTry ? { kind: 'refused', detail: why } : { kind: 'later', detail: why, ours: false }
}

async function holdUnreadable(
  batch: SubmittedBatch,
  source: Source,
  detail: string,
  deps: TakeBatchDeps,
): Promise<TakenBatch> {
  const against = { reason: 'batch-unreadable', detail } as const
  return afterHold(await holdBatch(batch, source, against, deps), against)
}

function afterHold(outcome: HoldOutcome, { reason, detail }: Against): TakenBatch {
  switch (outcome.kind) {
    case 'held':
      return { kind: 'held', reason, detail }
    case 'nowhere':
      return { kind: 'refused', detail }
    case 'stale-policy':
      return { kind: 'later', detail: 'the policy of its stream has just changed', ours: true }
    case 'refused':
      return afterRefusal(outcome.refusal)
  }
}

function isLimit(refusal: AcceptRefusal): refusal is Extract<AcceptRefusal, { why: 'quota' | 'rate' }> {
  return refusal.why === 'quota' || refusal.why === 'rate'
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
