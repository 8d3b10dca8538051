import { MAX_BYTES, wholeNumber } from './kinds.ts'
import { setting } from './setting.ts'

/** When nothing more is taken in, and how often the log is counted. */
export const pressureSettings = {
  INGEST_FREE_BYTES_MIN: setting(
    wholeNumber(0, MAX_BYTES),
    '536870912',
    'what stays free of the disks of the embedded database and of stored content; below it, events are answered with 503',
  ),
  INGEST_BACKLOG_EVENTS_MAX: setting(
    wholeNumber(1, 1_000_000_000),
    '1000000',
    'how many events may wait to be packed; beyond it, events are answered with 503',
  ),
  CONSERVATION_CHECK_MS: setting(
    wholeNumber(100, 86_400_000),
    '10000',
    'pause between two looks whether every item that came in is counted in one place',
  ),
}
