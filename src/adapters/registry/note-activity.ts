import type { Pool } from 'pg'
import type { Log } from '../../runtime/log.ts'
import { repeat } from '../../runtime/repeat.ts'

export type ActivityNotes = {
  /** These sources have sent something just now. Costs nothing where it stands: it is written once in a while. */
  note(sourceIds: Iterable<string>): void
  /** Writes what is noted, and ends. */
  stop(): Promise<void>
}

export type ActivityDeps = {
  readonly pool: Pool
  readonly log: Log
  now(): number
  readonly everyMs?: number
}

export const ACTIVITY_EVERY_MS = 30_000

/** Keeps last_activity_at, to about half a minute; a node that is killed forgets that much. */
export function openActivityNotes({
  pool,
  log,
  now,
  everyMs = ACTIVITY_EVERY_MS,
}: ActivityDeps): ActivityNotes {
  let seen = new Map<string, number>()
  const write = async () => {
    if (seen.size === 0) return
    const writing = seen
    seen = new Map()
    try {
      await writeActivity(pool, writing)
    } catch (error) {
      // Noted since is later: that stays.
      seen = new Map([...writing, ...seen])
      throw error
    }
  }
  const onFailure = (error: unknown) =>
    log.warn({ err: error }, 'when sources were last heard of could not be written, and is tried again')
  const repeating = repeat(write, { everyMs, onFailure })
  return {
    note(sourceIds) {
      const atMs = now()
      for (const sourceId of sourceIds) seen.set(sourceId, atMs)
    },
    async stop() {
      await repeating.stop()
      await write().catch(onFailure)
    },
  }
}

async function writeActivity(pool: Pool, seen: ReadonlyMap<string, number>): Promise<void> {
  await pool.query({
    // Locked in one order, so that no two nodes wait for each other.
    text: `with seen as (select * from unnest($1::text[], $2::bigint[]) as seen (source_id, at_ms)),
      locked as (select source_id from overlay_event_sources where source_id = any($1)
        order by source_id collate "C" for no key update)
      update overlay_event_sources as source
        set last_activity_at = greatest(last_activity_at, to_timestamp(seen.at_ms / 1000.0))
        from seen join locked using (source_id) where source.source_id = seen.source_id`,
    values: [[...seen.keys()], [...seen.values()]],
  })
}
