import * as z from 'zod'
import { wholeNumber, yesOrNo } from './kinds.ts'
import { optional, setting } from './setting.ts'

/** How events are appended, how long they are remembered, and by which clock. */
export const eventLogSettings = {
  EVENT_BATCH_PROCESSING_ENABLED: setting(
    yesOrNo(),
    'true',
    'whether requests that come at the same time share a transaction; false costs throughput and helps nobody but a debugger',
  ),
  BATCH_MODE: setting(
    yesOrNo(),
    'false',
    'whether a transaction waits a few milliseconds for EVENT_BATCH_SIZE events to share it; throughput for latency',
  ),
  EVENT_BATCH_SIZE: setting(
    wholeNumber(1, 16_384),
    '100',
    'events that a transaction waits for in BATCH_MODE',
  ),
  BATCH_SIZE: optional(wholeNumber(1, 16_384), 'another name of EVENT_BATCH_SIZE, which it goes before'),
  DEDUP_HORIZON_DAYS: setting(
    wholeNumber(1, 36_500),
    '30',
    'so long after anything new has come under an event’s own id, each of its payloads is remembered (at most 32 beside the latest); the latest always',
  ),
  ASSAY_CLOCK_OFFSET_MS: setting(
    z
      .string()
      .regex(/^-?\d{1,13}$/, 'not a whole number')
      .transform(Number),
    '0',
    'what is added to the clock that events are received and sealed by; for tests',
  ),
}
