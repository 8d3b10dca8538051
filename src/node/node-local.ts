import type { Database } from '../adapters/postgres/database.ts'
import { openLocalStore } from '../adapters/rounds-local/local-store.ts'
import type { ContentStore } from '../adapters/uhrp/content-store.ts'
import { processLocally } from '../jobs/local/process-locally.ts'
import type { Mode } from '../jobs/mode.ts'
import { crashPoint } from '../runtime/crash-point.ts'
import type { Log } from '../runtime/log.ts'
import { pause } from '../runtime/pause.ts'
import { repeat } from '../runtime/repeat.ts'
import { openSeldom } from '../runtime/seldom.ts'
import type { Stops } from '../runtime/stops.ts'

export type NodeLocalDeps = {
  readonly database: Pick<Database, 'pool'>
  readonly content: ContentStore
  readPayload(rawHash: string): Promise<Uint8Array | undefined>
  readonly asksOutside?: boolean
  /** Of the coordinator. */
  mode(): Mode
  readonly log: Log
  readonly stops: Stops
  now(): number
}

const EVERY_MS = 250
/** A packet that takes seconds is not made up for by seconds of doing nothing. */
const REST_MS_MAX = 250

/** While agents cannot be asked: packets up to validated, by this node alone. */
export function openNodeLocal({
  database,
  content,
  readPayload,
  asksOutside = false,
  mode,
  log,
  stops,
  now,
}: NodeLocalDeps): void {
  const stopping = new AbortController()
  const seldom = openSeldom()
  const onFailure = (error: unknown, partitionId?: number) =>
    seldom(`local ${partitionId}`, leftOut =>
      log.error(
        { err: error, partitionId, leftOut },
        'packets could not be processed without agents; it is tried again',
      ),
    )
  const store = openLocalStore({ pool: database.pool, content, readPayload, asksOutside, now, onFailure })
  const isWanted = () => mode() === 'local' && !stopping.signal.aborted
  const work = async () => {
    if (!isWanted()) return 'none'
    const rest = (tookMs: number) => pause(Math.min(tookMs, REST_MS_MAX), stopping.signal)
    const worked = await processLocally({ store, rest, isWanted, at: crashPoint })
    return worked === 'worked' && isWanted() ? 'more' : 'none'
  }
  const working = repeat(work, {
    everyMs: EVERY_MS,
    againMs: 5_000,
    onFailure,
  })
  stops.add('processing without agents', () => {
    stopping.abort()
    return working.stop()
  })
}
