import type { Pool } from 'pg'
import type { PushBack } from '../../ingest/arrived.ts'
import { freeBytes } from '../../runtime/free-bytes.ts'
import { repeat } from '../../runtime/repeat.ts'
import { decidePressure, type Load, type Pressed, type PressureBounds, unpressed } from './decide-pressure.ts'

export type Pressure = {
  /** Cheap: answers from what was measured last. */
  readonly pushBack: PushBack
  /** As it was measured last. */
  load(): Load
  stop(): Promise<void>
}

export type PressureDeps = {
  readonly pool: Pool
  /** Folders that grow with what is taken in. */
  readonly folders: readonly string[]
  /** What has been offered to the log and is not durable yet. */
  waiting(): { readonly events: number; readonly bytes: number }
  readonly bounds: PressureBounds & WaitingBounds
  readonly everyMs?: number
  /** Told when it begins to refuse, and when it ends. */
  onChange(pressed: Pressed, load: Load): void
  /** Told of each request that is refused. */
  onPushBack(why: 'backlog' | 'disk'): void
  onFailure(error: unknown): void
}

/** Below the log's own, so that a body is not read to be refused. */
export type WaitingBounds = { readonly waitingEventsMax: number; readonly waitingBytesMax: number }

export const pressureBounds: PressureBounds & WaitingBounds = {
  unpackedEventsMax: 1_000_000,
  freeBytesMin: 512 * 1024 * 1024,
  waitingEventsMax: 80_000,
  waitingBytesMax: 96 * 1024 * 1024,
}

export const PRESSURE_EVERY_MS = 1_000
const BACKLOG_RETRY_S = 2
/** Nobody makes room on a disk in a moment. */
const DISK_RETRY_S = 60

/** Resolves once it has been measured for the first time. */
export async function openPressure(deps: PressureDeps): Promise<Pressure> {
  const { pool, folders, waiting, bounds, everyMs = PRESSURE_EVERY_MS, onFailure } = deps
  let load: Load = { unpackedEvents: 0, freeBytes: Number.POSITIVE_INFINITY }
  let pressed = unpressed
  const measure = async () => {
    load = { unpackedEvents: await unpackedEvents(pool), freeBytes: await leastFree(folders) }
    const now = decidePressure(pressed, load, bounds)
    const isNew = now.backlog !== pressed.backlog || now.disk !== pressed.disk
    pressed = now
    if (isNew) deps.onChange(pressed, load)
  }
  await measure()
  const measuring = repeat(measure, { everyMs, onFailure })

  return {
    pushBack: {
      why() {
        if (pressed.disk) return { why: 'disk', retryAfterS: DISK_RETRY_S }
        const { events, bytes } = waiting()
        const isBusy = events >= bounds.waitingEventsMax || bytes >= bounds.waitingBytesMax
        return pressed.backlog || isBusy ? { why: 'backlog', retryAfterS: BACKLOG_RETRY_S } : undefined
      },
      count: ({ why }) => deps.onPushBack(why),
    },
    load: () => load,
    stop: measuring.stop,
  }
}

/** A partition's packets are made in order, so that the last one says how far they are. */
async function unpackedEvents(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ events: number }>({
    name: 'unpacked-events',
    text: `select coalesce(sum(head.next_seq - coalesce(last.first_seq + last.count, 0)), 0)::bigint as events
      from partition_heads as head left join lateral (
        select first_seq, count from packets where partition_id = head.partition_id order by packet_no desc limit 1
      ) as last on true`,
  })
  return rows[0]?.events ?? 0
}

async function leastFree(folders: readonly string[]): Promise<number> {
  return Math.min(...(await Promise.all(folders.map(freeBytes))))
}
