import { randomBytes } from 'node:crypto'
import { type EventLog, type EventLogDeps, openEventLog } from '../adapters/log/event-log.ts'
import { sweepRemembered } from '../adapters/log/sweep-remembered.ts'
import type { Database } from '../adapters/postgres/database.ts'
import type { Registry } from '../adapters/registry/registry.ts'
import { openAccept } from '../ingest/accept.ts'
import type { Accept } from '../ingest/arrived.ts'
import type { Log } from '../runtime/log.ts'
import { repeat } from '../runtime/repeat.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'
import { takeTurns } from '../runtime/take-turns.ts'

/** The log of events, and the way into it. */
export type NodeLog = {
  readonly log: EventLog
  readonly accept: Accept
}

export type NodeLogDeps = {
  readonly database: Database
  readonly registry: Pick<Registry, 'stream' | 'forget'>
  readonly logKey: string
  now(): number
  readonly begin?: string
  readonly onAppended: NonNullable<EventLogDeps['onAppended']>
  readonly log: Log
  readonly stops: Stops
}

const LINGER_MS = 5
const SWEEP_MS = 60_000
const SWEPT_ROWS_MAX = 10_000
const DAY_MS = 86_400_000

export function openNodeLog(settings: Settings, deps: NodeLogDeps): NodeLog {
  const { registry, logKey, now, begin, onAppended, log, stops } = deps
  const { pool } = deps.database
  const lingerEvents = settings.BATCH_SIZE ?? settings.EVENT_BATCH_SIZE
  const events = openEventLog({
    pool,
    logKey,
    network: settings.ASSAY_NETWORK,
    operators: settings.EVENT_OPERATORS,
    now,
    ...(begin !== undefined && { begin }),
    limits: {
      grouping: settings.EVENT_BATCH_PROCESSING_ENABLED,
      ...(settings.BATCH_MODE && { linger: { events: lingerEvents, ms: LINGER_MS } }),
    },
    onAppended,
    onFailure: error => log.error({ err: error }, 'what is told of appends has failed; the appends stand'),
  })
  stops.add('log of events', events.stop)
  const horizonMs = settings.DEDUP_HORIZON_DAYS * DAY_MS
  const sweeping = repeat(() => sweepRemembered(pool, { nowMs: now(), horizonMs, rowsMax: SWEPT_ROWS_MAX }), {
    everyMs: SWEEP_MS,
    onFailure: error =>
      log.warn({ err: error }, 'what the log of events remembers could not be swept; it is tried again'),
  })
  stops.add('sweep of the log of events', sweeping.stop)
  const accept = openAccept({
    findStream: registry.stream,
    forgetStreams: registry.forget,
    append: events.append,
    isFull: events.isFull,
    randomKey: () => new Uint8Array(randomBytes(16)),
    turns: takeTurns(),
  })
  return { log: events, accept }
}
