import { canonicalize, type Json } from '../canonical-json.ts'
import { accepted, type Outcome, refused } from '../fault.ts'
import { type EventTime, readEventTime } from './event-time.ts'
import { NATIVE_ID_CHARS_MAX } from './read-envelope.ts'

/**
 * What a source's `identify` policy found, by its pointers. A key stands for a pointer that the policy has; its
 * value is undefined where the event lacks that member.
 */
export type FoundIdentity = {
  readonly nativeId?: Json | undefined
  readonly eventTime?: Json | undefined
  readonly sourceSeq?: Json | undefined
}

export type StatedIdentity = {
  readonly nativeId?: string | undefined
  readonly eventTime?: EventTime | undefined
  readonly sourceSeq?: string | undefined
}

export function readIdentity(found: FoundIdentity): Outcome<StatedIdentity> {
  const stated: { nativeId?: string; eventTime?: EventTime; sourceSeq?: string } = {}
  if ('nativeId' in found) {
    const nativeId = required(found.nativeId, 'id', readNativeId)
    if (!nativeId.ok) return nativeId
    stated.nativeId = nativeId.value
  }
  if ('eventTime' in found) {
    const eventTime = required(found.eventTime, 'time', readEventTime)
    if (!eventTime.ok) return eventTime
    stated.eventTime = eventTime.value
  }
  if ('sourceSeq' in found) {
    const sourceSeq = required(found.sourceSeq, 'sequence', readSourceSeq)
    if (!sourceSeq.ok) return sourceSeq
    stated.sourceSeq = sourceSeq.value
  }
  return accepted(stated)
}

/** A string as it is; a number as its canonical text, so that 1 and "1" are one id. */
export function readNativeId(value: Json, pointer = ''): Outcome<string> {
  if (typeof value === 'number') {
    const text = canonicalize(value)
    return text.ok ? text : refused(text.fault.code, text.fault.detail, pointer)
  }
  if (
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= NATIVE_ID_CHARS_MAX &&
    value.isWellFormed()
  )
    return accepted(value)
  return refused(
    'event-unreadable',
    `the event's own id must be a number or a string of 1 to ${NATIVE_ID_CHARS_MAX} characters of valid Unicode`,
    pointer,
  )
}

const SOURCE_SEQ_DIGITS_MAX = 20

/** An unsigned 64-bit number, as a safe integer or in decimal digits; its canonical digits. */
export function readSourceSeq(value: Json, pointer = ''): Outcome<string> {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return accepted(`${value}`)
  if (typeof value === 'string' && value.length <= SOURCE_SEQ_DIGITS_MAX && /^[0-9]+$/.test(value)) {
    const sequence = BigInt(value)
    if (sequence <= 0xffff_ffff_ffff_ffffn) return accepted(`${sequence}`)
  }
  return refused(
    'event-unreadable',
    "the source's sequence must be an unsigned 64-bit number: an integer below 2^53, or its decimal digits as a string",
    pointer,
  )
}

function required<T>(value: Json | undefined, what: string, read: (value: Json) => Outcome<T>): Outcome<T> {
  if (value !== undefined && value !== null) return read(value)
  return refused(
    'event-identity-missing',
    `the source's policy identifies its events by their own ${what}, which this one lacks; send it, or change "identify"`,
  )
}
