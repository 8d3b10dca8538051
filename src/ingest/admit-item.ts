import { canonicalJson, type Json } from '../core/canonical-json.ts'
import { audienceMismatch } from '../core/event/classification.ts'
import { identifyFirst } from '../core/event/identity.ts'
import { qualityFlags } from '../core/event/quality-flags.ts'
import { linePayload } from '../core/event/read-envelope.ts'
import { type FoundIdentity, readIdentity, type StatedIdentity } from '../core/event/read-identity.ts'
import type { Submission } from '../core/event/submission.ts'
import { type Fault, orThrow } from '../core/fault.ts'
import { compilePath, type Pointer } from '../core/path.ts'
import { compileIdentify } from '../core/policy/find-identity.ts'
import { type SourcePolicy, sourcePolicyOf } from '../core/policy/policy-set.ts'
import type { Stream } from '../core/registry/stream.ts'
import type { OfferedEvent, OfferedItem } from './append.ts'
import type { Arrived, QuarantineReason, ReadItem } from './arrived.ts'

/** What every item of a request is looked at with. */
export type Admission = Pick<Arrived, 'source' | 'receivedMs' | 'backfill'> & {
  readonly stream: Stream
  /** The stream that was asked for and that this source may not write to: everything is held. */
  readonly unknownStream?: string
}

export type AdmittedItem = AdmittedEvent | Exclude<OfferedItem, OfferedEvent>

export type AdmittedEvent = {
  readonly kind: 'event'
  readonly submission: Submission
  readonly stated: StatedIdentity
  readonly payloadJcs: string
  readonly partitionKey: string
  readonly flags: number
}

/** What an item is, before the log is asked: an event, something to be held, or nothing that could be one. */
export function admitItem({ submission: read, flags: seen }: ReadItem, admission: Admission): AdmittedItem {
  if (!read.ok) return rejected(read.fault)
  const { source, stream, receivedMs, unknownStream } = admission
  const submission = claimsOf(read.value, source.tenantId)
  if (submission === undefined) return rejected(otherTenant)
  const payload = linePayload(submission.payload)
  if (!payload.ok) return rejected(payload.fault)
  const stated = stateIdentity(submission, sourcePolicyOf(stream.policy, source.sourceId))
  if ('code' in stated) return rejected(stated)

  const hold = (reason: QuarantineReason, detail: string) =>
    held(reason, detail, submission, stated, payload.value, admission)
  if (unknownStream !== undefined)
    return hold('unknown-stream', `source "${source.sourceId}" may not write to stream "${unknownStream}"`)
  const mismatch = audienceMismatch(submission.carried, stream.audience, stream.openTags)
  if (mismatch !== undefined)
    return hold(
      'audience-mismatch',
      `stream "${stream.streamId}" is public, and the event asks for less: ${canonicalJson(mismatch.because)}`,
    )
  const timing = judgeTime(stated.eventTime?.ms, receivedMs, source.time)
  if (timing.hold !== undefined) return hold(timing.hold, timing.detail)

  return {
    kind: 'event',
    submission,
    stated,
    payloadJcs: payload.value,
    partitionKey: partitionKeyOf(stream, submission.payload),
    flags: seen | timing.flags | (admission.backfill === true ? qualityFlags.BACKFILL : 0),
  }
}

/** What a source's policy finds goes before what the item's shape says by itself. */
function stateIdentity(submission: Submission, policy: SourcePolicy): StatedIdentity | Fault {
  const { nativeId, eventTime, sourceSeq } = submission
  const find = finderOf(policy)
  if (find === undefined) return { nativeId, eventTime, sourceSeq }
  const read = readIdentity(find(submission.payload))
  if (!read.ok) return read.fault
  const found = read.value
  return {
    nativeId: found.nativeId ?? nativeId,
    eventTime: found.eventTime ?? eventTime,
    sourceSeq: found.sourceSeq ?? sourceSeq,
  }
}

const finders = new WeakMap<SourcePolicy, (payload: Json) => FoundIdentity>()

function finderOf(policy: SourcePolicy): ((payload: Json) => FoundIdentity) | undefined {
  if (policy.identify === undefined) return undefined
  let find = finders.get(policy)
  if (find === undefined) {
    find = compileIdentify(policy.identify)
    finders.set(policy, find)
  }
  return find
}

/** What an item that was admitted before has said. */
export function submissionIn({ submission }: ReadItem, tenantId: string | undefined): Submission {
  const claimed = claimsOf(orThrow(submission), tenantId)
  if (claimed === undefined)
    throw new Error('an item that was admitted names another tenant when it is read again')
  return claimed
}

/**
 * The submission with its tenant filled in, or undefined where it names another. The source that it names by itself is
 * a claim of its sender: who sent it is known already.
 */
function claimsOf(submission: Submission, tenantId: string | undefined): Submission | undefined {
  const { carried, namedSource } = submission
  if (tenantId === undefined && namedSource === undefined) return submission
  if (tenantId !== undefined && carried.tenantId !== undefined && carried.tenantId !== tenantId)
    return undefined
  return {
    ...submission,
    carried: {
      ...(namedSource !== undefined && { originSource: namedSource }),
      ...carried,
      ...(tenantId !== undefined && { tenantId }),
    },
  }
}

const otherTenant: Fault = {
  code: 'event-unreadable',
  detail:
    'the event names another tenant than its source has; leave it out, or send it from a source of that tenant',
  pointer: '/tenantId',
}

type Timing = { readonly flags: number; readonly hold?: QuarantineReason; readonly detail: string }

const inTime: Timing = { flags: 0, detail: '' }

function judgeTime(timeMs: number | undefined, nowMs: number, time: Admission['source']['time']): Timing {
  if (timeMs === undefined) return inTime
  if (timeMs > nowMs + time.skewMsMax) {
    const detail = `the event's time is ${timeMs - nowMs} ms ahead of this node's clock, ${time.skewMsMax} ms are allowed`
    return time.onFuture === 'quarantine'
      ? { flags: 0, hold: 'future-event-time', detail }
      : { flags: qualityFlags.FUTURE_EVENT_TIME, detail }
  }
  if (time.staleMsMax !== undefined && timeMs < nowMs - time.staleMsMax) {
    const detail = `the event is ${nowMs - timeMs} ms old, ${time.staleMsMax} ms are allowed`
    return time.onStale === 'quarantine'
      ? { flags: 0, hold: 'stale-event-time', detail }
      : { flags: qualityFlags.STALE_EVENT_TIME, detail }
  }
  return inTime
}

const KEY_CHARS_MAX = 256
const keyReaders = new Map<Pointer, (payload: Json) => Json | undefined>()

function partitionKeyOf({ partitionKey, streamId }: Stream, payload: Json): string {
  if (partitionKey === undefined) return streamId
  let read = keyReaders.get(partitionKey)
  if (read === undefined) {
    read = compilePath(partitionKey)
    keyReaders.set(partitionKey, read)
  }
  const value = read(payload)
  const isPlain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
  const key = isPlain ? String(value) : ''
  return key.length > 0 && key.length <= KEY_CHARS_MAX && key.isWellFormed() ? key : streamId
}

function held(
  reason: QuarantineReason,
  detail: string,
  submission: Submission,
  stated: StatedIdentity,
  payloadJcs: string,
  { source, stream, receivedMs }: Admission,
): AdmittedItem {
  const fingerprint = fingerprintOf(stated, payloadJcs, source.sourceId, stream.streamId, receivedMs)
  return {
    kind: 'held',
    reason,
    detail,
    held: submission,
    ...(fingerprint !== undefined && { fingerprint }),
    ...(stated.nativeId !== undefined && { nativeId: stated.nativeId }),
  }
}

/** The id that it would have as the first of its kind: the same item sent again has the same. */
function fingerprintOf(
  { nativeId, sourceSeq, eventTime }: StatedIdentity,
  payloadJcs: string,
  sourceId: string,
  streamId: string,
  receivedMs: number,
): string | undefined {
  const observed = {
    sourceId,
    streamId,
    ...{ payloadJcs, nativeId, sourceSeq },
    eventTimeMs: eventTime?.ms,
  }
  const { eventId, dedup } = identifyFirst(observed, { ingestTimeMs: receivedMs, key: '', index: 0 })
  return dedup === 'none' ? undefined : eventId
}

function rejected({ code, detail, pointer }: Fault): AdmittedItem {
  return { kind: 'rejected', code, detail, ...(pointer !== undefined && { pointer }) }
}
