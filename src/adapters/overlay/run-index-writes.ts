import type { Queryable } from '../postgres/sql.ts'
import type { IndexWrite } from './index-writes.ts'

/** Runs what an index takes in outside of an admission: on eviction and on reindex, in the order it was written. */
export async function runIndexWrites(
  db: Queryable,
  writes: readonly IndexWrite[],
  nowMs: number,
): Promise<void> {
  for (const { sql, rows } of inRuns(writes)) {
    const text = sql.replaceAll('$rows', '$1::jsonb').replaceAll('$now', '$2::bigint')
    // A statement that has no use for the time must still say which type the parameter is of.
    await db.query({ text: `with now as (select $2::bigint) ${text}`, values: [JSON.stringify(rows), nowMs] })
  }
}

/** Neighbours of the same statement, together. */
function inRuns(writes: readonly IndexWrite[]): { sql: string; rows: IndexWrite['row'][] }[] {
  const runs: { sql: string; rows: IndexWrite['row'][] }[] = []
  for (const { sql, row } of writes) {
    const last = runs.at(-1)
    if (last?.sql === sql) last.rows.push(row)
    else runs.push({ sql, rows: [row] })
  }
  return runs
}
