import { wholeNumber, yesOrNo } from './kinds.ts'
import { optional, setting } from './setting.ts'

/** Who follows live events, and how many of them. */
export const liveSettings = {
  WATCH_MAX_CLIENTS: setting(
    wholeNumber(0, 100_000),
    '500',
    'clients that follow /watch at this node at once',
  ),
  EVENT_STREAM_MAX_CLIENTS: setting(
    wholeNumber(0, 100_000),
    '1000',
    'clients that follow /overlay/events/stream at this node at once',
  ),
  EVENT_STREAM_CLIENTS_PER_ADDRESS: setting(
    wholeNumber(1, 100_000),
    '250',
    'of either, clients at one address; proxies in TRUSTED_PROXY_CIDRS are looked through',
  ),
  EVENT_STREAM_FILTERS_MAX: setting(
    wholeNumber(1, 100_000),
    '256',
    'different filters that clients of either follow with at once; each is asked about every event',
  ),
  EVENT_STREAM_SSE_ENABLED: setting(
    yesOrNo(),
    'true',
    'whether live events can be followed as server-sent events',
  ),
  EVENT_STREAM_WEBSOCKET_ENABLED: setting(
    yesOrNo(),
    'true',
    'whether live events can be followed over WebSockets',
  ),
  EVENT_STREAM_HEARTBEAT_INTERVAL_MS: optional(
    wholeNumber(100, 3_600_000),
    'pause between two heartbeats of a stream; without it INGEST_SSE_HEARTBEAT_MS counts',
  ),
  EVENT_STREAM_NEWS_DAYS: setting(
    wholeNumber(1, 3_650),
    '30',
    'so long a client may be away and still be told what became of packets that it was past, as filled and unanchored',
  ),
  INGEST_SSE_HEARTBEAT_MS: setting(
    wholeNumber(100, 3_600_000),
    '15000',
    'the older name of EVENT_STREAM_HEARTBEAT_INTERVAL_MS, which counts where both are set',
  ),
}
