import type { Pool } from 'pg'
import type { HeldBatches } from '../../ingest/hold-batch.ts'
import { byteas, hexOf, type Queryable } from '../postgres/sql.ts'
import { waive } from './waive.ts'

export function openHeldBatches(pool: Pool, now: () => number): HeldBatches {
  return {
    find: async (sourceId, fingerprint) => (await findHeldIds(pool, [{ sourceId, fingerprint }]))[0],
    waive: (id, who, why) => waive(pool, { id, who, byPublisher: true, why, nowMs: now() }),
  }
}

/** As what each of these is held, told by its fingerprint, as long as nobody has decided over it. */
export async function findHeldIds(
  db: Queryable,
  wanted: readonly { readonly sourceId: string; readonly fingerprint: string }[],
): Promise<(number | undefined)[]> {
  if (wanted.length === 0) return []
  const { rows } = await db.query<{ id: number; sourceId: string; fingerprint: Uint8Array }>(
    `select id, source_id as "sourceId", fingerprint from quarantine
      where state = 'held' and (source_id, fingerprint) in (select * from unnest($1::text[], $2::bytea[]))`,
    [wanted.map(({ sourceId }) => sourceId), byteas(wanted.map(({ fingerprint }) => fingerprint))],
  )
  const keyOf = (sourceId: string, fingerprint: string) => JSON.stringify([sourceId, fingerprint])
  const ids = new Map(rows.map(row => [keyOf(row.sourceId, hexOf(row.fingerprint)), Number(row.id)]))
  return wanted.map(({ sourceId, fingerprint }) => ids.get(keyOf(sourceId, fingerprint)))
}
