import * as z from 'zod'
import { publishModes } from '../../core/log/publish-mode.ts'
import { wholeNumber } from './kinds.ts'
import { optional, setting } from './setting.ts'

/** Where packets end, and how long the log keeps what is in them. */
export const packetsSettings = {
  EVENT_BUFFER_MS: setting(
    wholeNumber(10, 60_000),
    '750',
    'how long events wait for others before they become a packet; an event that comes alone waits less, and all of them longer under load, and, up to four times as long, while agents work on an earlier packet of theirs',
  ),
  PUBLISH_MODE: setting(
    z.enum(publishModes, `neither ${publishModes.join(' nor ')}`),
    'live',
    'live: packets end within moments; batch: when they are large, or PACKET_BATCH_MS is over; a node that falls behind makes batches by itself until it has caught up',
  ),
  PACKET_BATCH_MS: setting(wholeNumber(100, 3_600_000), '10000', 'how long events wait in batch mode'),
  EVENT_LINES_KEEP_S: optional(
    wholeNumber(3_600, 1_000_000_000),
    'how long the log keeps events beside the packets that hold them; without it for ever; counts, headers and digests stay in any case',
  ),
}
