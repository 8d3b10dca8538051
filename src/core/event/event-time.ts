import type { Json } from '../canonical-json.ts'
import { accepted, type Outcome, refused } from '../fault.ts'
import { readPlainTimestamp, readTimestamp } from '../timestamp.ts'

export type EventTime = {
  /** Milliseconds since 1970 UTC, 0 ≤ ms < 2^53; finer digits are cut off. */
  readonly ms: number
  /** As sent, where that says more than `ms`: finer digits, or a local offset. */
  readonly text?: string
}

export const TIME_CHARS_MAX = 64

/**
 * Milliseconds since 1970 (a number, or its digits as in CSV), or RFC 3339 with an offset. Nothing is guessed:
 * a time without an offset, a date the calendar lacks or a time before 1970 is a fault.
 */
export function readEventTime(value: Json, pointer = ''): Outcome<EventTime> {
  if (typeof value === 'number') return readMs(value, pointer)
  if (typeof value !== 'string' || value.length > TIME_CHARS_MAX) return notATime(pointer)
  const plain = readPlainTimestamp(value)
  if (plain !== undefined) return readMs(plain, pointer)
  if (/^(0|[1-9][0-9]{0,15})$/.test(value)) return readMs(Number(value), pointer)

  // Digits beyond nanoseconds are for the text to keep; no instant here depends on them.
  const ms = readTimestamp(value.replace(/(\.[0-9]{9})[0-9]+/, '$1'))
  if (ms === undefined) return notATime(pointer)
  const read = readMs(ms, pointer)
  return read.ok && saysMore(value) ? accepted({ ms, text: value }) : read
}

function readMs(ms: number, pointer: string): Outcome<EventTime> {
  return Number.isSafeInteger(ms) && ms >= 0 ? accepted({ ms }) : notATime(pointer)
}

/** A digit below milliseconds that is not zero, or an offset that is not UTC itself ("-00:00" says "unknown"). */
function saysMore(text: string): boolean {
  return /\.[0-9]{3}[0-9]*[1-9]/.test(text) || !/(?:[Zz]|\+00(?::?00)?)$/.test(text)
}

function notATime(pointer: string): Outcome<never> {
  return refused(
    'event-unreadable',
    'the time must be milliseconds since 1970 (an integer below 2^53) or an existing RFC 3339 date and time from 1970 on, with its offset',
    pointer,
  )
}
