import type { Server } from 'node:http'
import type { Request } from 'express'
import type { Head } from '../adapters/log/heads.ts'
import type { Database } from '../adapters/postgres/database.ts'
import { hearNodes } from '../adapters/reading/live/hear-nodes.ts'
import { type LiveReader, openLiveReader } from '../adapters/reading/live/open-live-reader.ts'
import { readPartitions } from '../adapters/reading/live/read-partitions.ts'
import { openSealedPositions } from '../adapters/reading/live/sealed-positions.ts'
import { sweepNews } from '../adapters/reading/live/sweep-news.ts'
import { openTellNodes } from '../adapters/reading/live/tell-nodes.ts'
import { openTickets } from '../adapters/reading/live/tickets.ts'
import { type FindReader, openFindReader } from '../adapters/reading/readable.ts'
import type { ContentStore } from '../adapters/uhrp/content-store.ts'
import type { NodeAppParts } from '../http/app.ts'
import type { Authentication } from '../http/authentication.ts'
import { clientAddress, networksOf } from '../http/ingest/client-address.ts'
import { type LiveDoor, openLiveDoor } from '../http/read/live/live-door.ts'
import type { StoredViews } from '../http/read/live/live-request.ts'
import type { Log } from '../runtime/log.ts'
import type { Metrics } from '../runtime/metrics.ts'
import { pause } from '../runtime/pause.ts'
import { repeat } from '../runtime/repeat.ts'
import { openSeldom } from '../runtime/seldom.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'
import { openHub } from '../serve/live/hub.ts'
import { type HubBounds, hubBounds, type KnownPartition } from '../serve/live/ports.ts'
import type { SealedPositions } from '../serve/live/resume-token.ts'
import { liveMetrics } from './live-metrics.ts'
import { readFrom } from './node-packets.ts'
import { openSignaturesOf } from './signatures-of.ts'

/** What live events are read with, whoever they are for. */
export type LiveFollowing = LiveReader & {
  readPartitions(): Promise<readonly KnownPartition[]>
  readonly findReader: FindReader
  readonly positions: SealedPositions
}

/** Live events, for whoever follows them at this node. */
export type NodeLive = {
  readonly following: LiveFollowing
  /** Has this called whenever packets may have moved on. */
  onPackets(listener: () => void): void

  /** Told of every append of this process, with the heads of the partitions as they are then. */
  onAppended(heads: readonly Pick<Head, 'partitionId'>[]): void
  routes(frame: {
    readonly authentication: Authentication
    readonly views?: StoredViews
    onFailure(error: unknown, request: Request): void
  }): NodeAppParts['routes']
  upgrade(server: Server): void
  /** Lets all go who follow, with where to go on; before the server waits for them. */
  letGo(): void
}

export type NodeLiveDeps = {
  readonly database: Pick<Database, 'pool' | 'session'>
  readonly store: ContentStore
  readonly masterKey: Uint8Array
  readonly log: Log
  readonly metrics: Metrics
  readonly stops: Stops
  readonly bounds?: Partial<HubBounds>
  /** Without having been woken, so often it is looked for what is new. */
  readonly pollMs?: number
  now(): number
}

/** What is new is told so often at most: writing costs per connection, not per event. */
const TELL_MS = 80
const POLL_MS = 1_000
const SWEEP_MS = 60_000
const SWEPT_ROWS_MAX = 10_000
const DAY_MS = 86_400_000

export function openNodeLive(
  settings: Pick<
    Settings,
    | 'WATCH_MAX_CLIENTS'
    | 'EVENT_STREAM_MAX_CLIENTS'
    | 'EVENT_STREAM_CLIENTS_PER_ADDRESS'
    | 'EVENT_STREAM_FILTERS_MAX'
    | 'EVENT_STREAM_SSE_ENABLED'
    | 'EVENT_STREAM_WEBSOCKET_ENABLED'
    | 'EVENT_STREAM_HEARTBEAT_INTERVAL_MS'
    | 'EVENT_STREAM_NEWS_DAYS'
    | 'INGEST_SSE_HEARTBEAT_MS'
    | 'TRUSTED_PROXY_CIDRS'
  >,
  { database, store, masterKey, log, metrics, stops, now, pollMs = POLL_MS, ...deps }: NodeLiveDeps,
): NodeLive {
  const { pool } = database
  const seldom = openSeldom()
  const onFailure = (what: string) => (error: unknown) =>
    seldom(what, leftOut => log.warn({ err: error, leftOut }, `${what} failed, and goes on by itself`))
  const heartbeatMs = settings.EVENT_STREAM_HEARTBEAT_INTERVAL_MS ?? settings.INGEST_SSE_HEARTBEAT_MS
  const findReader = openFindReader(pool)
  const reader = openLiveReader({
    ...{ pool, now },
    readPayload: readFrom(store),
    signaturesOf: openSignaturesOf(pool),
    onUnreadable: onFailure('reading what is kept of events'),
  })
  const events = liveMetrics(
    metrics.registry,
    {
      clients: route => hub.clients(route),
      filters: () => hub.filters(),
      keptBytes: () => hub.keptBytes(),
    },
    onFailure('telling who follows live events'),
  )
  const positions = openSealedPositions(masterKey)
  const following = { ...reader, findReader, positions, readPartitions: () => readPartitions(pool) }
  const hub = openHub({
    ...{ ...following, now },
    lookSoon: () => telling.wake(),
    bounds: { ...hubBounds, filtersMax: settings.EVENT_STREAM_FILTERS_MAX, heartbeatMs, ...deps.bounds },
    events,
  })

  const listeners: (() => void)[] = []
  const tellListeners = () => {
    for (const listener of listeners) listener()
  }
  const stopping = new AbortController()
  let toldMs = Number.NEGATIVE_INFINITY
  const telling = repeat(
    async () => {
      const early = toldMs + TELL_MS - performance.now()
      if (early > 0) await pause(early, stopping.signal)
      toldMs = performance.now()
      return hub.look()
    },
    { everyMs: Math.min(pollMs, heartbeatMs), onFailure: onFailure('reading live events') },
  )
  stops.add('live events', async () => {
    stopping.abort()
    await telling.stop()
  })
  const tellNodes = openTellNodes(pool, onFailure('telling other nodes of events'))
  stops.add('telling other nodes of events', tellNodes.stop)
  const hearing = hearNodes({
    session: database.session,
    onTold(what, partitionIds) {
      hub.wake(what, partitionIds)
      telling.wake()
      if (what === 'packets') tellListeners()
    },
    onGap() {
      hub.wakeAll()
      telling.wake()
      tellListeners()
    },
    onFailure: onFailure('hearing of events from other nodes'),
  })
  stops.add('hearing of events from other nodes', hearing.stop)
  const polling = setInterval(() => {
    hub.wakeAll()
    tellListeners()
  }, pollMs)
  stops.add('polling for live events', async () => clearInterval(polling))

  const sweeping = repeat(
    async () => {
      const swept = await sweepNews(pool, now() - settings.EVENT_STREAM_NEWS_DAYS * DAY_MS, SWEPT_ROWS_MAX)
      events.onNewsSwept(swept)
      return swept === SWEPT_ROWS_MAX ? 'more' : 'all'
    },
    { everyMs: SWEEP_MS, onFailure: onFailure('sweeping news of packets') },
  )
  stops.add('sweep of news of packets', sweeping.stop)

  const isProxy = networksOf(settings.TRUSTED_PROXY_CIDRS)
  const tickets = openTickets(pool, now)
  let door: LiveDoor | undefined
  stops.add('looking after stored views', async () => door?.rest())
  return {
    following,
    onPackets: listener => void listeners.push(listener),
    onAppended(heads) {
      const partitionIds = heads.map(({ partitionId }) => partitionId)
      tellNodes.appended(partitionIds)
      hub.wake('received', partitionIds)
      telling.wake()
    },
    routes(frame) {
      door = openLiveDoor({
        ...{ hub, tickets, findReader, positions, ...frame },
        bounds: {
          watchClientsMax: settings.WATCH_MAX_CLIENTS,
          eventsClientsMax: settings.EVENT_STREAM_MAX_CLIENTS,
          perAddressMax: settings.EVENT_STREAM_CLIENTS_PER_ADDRESS,
          sseEnabled: settings.EVENT_STREAM_SSE_ENABLED,
          webSocketEnabled: settings.EVENT_STREAM_WEBSOCKET_ENABLED,
          pingMs: heartbeatMs,
        },
        addressOf: request => clientAddress(request, isProxy),
        onSocketFailure(error) {
          metrics.errors.inc()
          log.error({ err: error }, 'a WebSocket of a live stream failed')
        },
      })
      return [door.routes]
    },
    upgrade: server => door?.upgrade(server),
    letGo() {
      hub.stop()
      door?.stop()
    },
  }
}
