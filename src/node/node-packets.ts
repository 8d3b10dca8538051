import { buffer } from 'node:stream/consumers'
import { forgetLines } from '../adapters/log/forget-lines.ts'
import { openKeptLines, type ReadPayload } from '../adapters/log/kept-lines.ts'
import { logCopyIn, packetIdIn } from '../adapters/log/log-copy.ts'
import { type LogReader, openLogReader } from '../adapters/log/log-reader.ts'
import { beginAs, findLogRole } from '../adapters/log/log-role.ts'
import type { Database } from '../adapters/postgres/database.ts'
import type { ContentStore } from '../adapters/uhrp/content-store.ts'
import { type Discrepancy, recheckPackets } from '../packets/reseal-log.ts'
import type { Log } from '../runtime/log.ts'
import { repeat } from '../runtime/repeat.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'

export type NodePackets = {
  /** What begins a transaction that appends to the log. */
  readonly begin: string
  readonly reader: LogReader
  /** The bytes of a packet by their hash; undefined where they are not here any more. */
  readonly readPayload: ReadPayload
  /** Makes every packet again, and says where the log has another. */
  recheck(): AsyncGenerator<Discrepancy>
}

export type NodePacketsDeps = {
  readonly database: Pick<Database, 'pool'>
  readonly store: ContentStore
  readonly log: Log
  readonly stops: Stops
  now(): number
  /** Whether a packet has its verdict, so that its events need not be in the log any more. */
  isSettled?(packetId: string): Promise<boolean>
}

/** What is asked of packets that are made, and of the log that they are made from. */
export async function openNodePackets(
  settings: Pick<Settings, 'EVENT_LINES_KEEP_S'>,
  deps: NodePacketsDeps,
): Promise<NodePackets> {
  const { store, log, stops, now } = deps
  const { pool } = deps.database
  const { role, missing } = await findLogRole(pool)
  if (missing !== undefined)
    log.warn(
      `the log of events is guarded by its triggers alone: ${missing}. docs/operating.md says what to do`,
    )
  const readPayload = readFrom(store)
  const keptLines = openKeptLines(pool, readPayload)
  const keepS = settings.EVENT_LINES_KEEP_S
  if (keepS !== undefined) {
    const { isSettled = async () => true } = deps
    const forgetting = repeat(
      async () => {
        const sealedBeforeMs = now() - keepS * 1_000
        return (await forgetLines({ pool, readPayload, sealedBeforeMs, isSettled })) > 0 ? 'more' : 'all'
      },
      {
        everyMs: FORGET_MS,
        onFailure: error =>
          log.error({ err: error }, 'lines of the log could not be given up; it is tried again'),
      },
    )
    stops.add('giving up lines of the log', forgetting.stop)
  }
  return {
    begin: beginAs(role),
    reader: openLogReader({ pool, keptLines }),
    readPayload,
    recheck: () =>
      recheckPackets(logCopyIn(pool, keptLines), (partitionId, packetNo) =>
        packetIdIn(pool, partitionId, packetNo),
      ),
  }
}

const FORGET_MS = 60_000

export function readFrom(store: ContentStore): ReadPayload {
  return async rawHash => {
    const opened = await store.open(rawHash, 'node')
    if (opened.kind !== 'open') return undefined
    return buffer(opened.object.file.createReadStream())
  }
}
