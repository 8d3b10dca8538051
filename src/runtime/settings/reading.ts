import { wholeNumber } from './kinds.ts'
import { setting } from './setting.ts'

/** What readers of events get. */
export const readingSettings = {
  FEED_CACHE_TTL_MS: setting(
    wholeNumber(0, 60_000),
    '1000',
    'how long an answer of /feed is given again to whoever asks the same and may read the same',
  ),
}
