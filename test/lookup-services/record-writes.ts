import type { Pool } from 'pg'
import { collectIndexWrites, type IndexWrite } from '../../src/adapters/overlay/index-writes.ts'

/** What a node does with the writes of one submission: all of them in one statement, one part per text. */
export async function recordWrites(pool: Pool, nowMs: number, judge: () => Promise<void>): Promise<void> {
  const writes: IndexWrite[] = []
  await collectIndexWrites(writes, judge)
  if (writes.length === 0) return
  const rows = new Map<string, IndexWrite['row'][]>()
  for (const { sql, row } of writes) rows.set(sql, [...(rows.get(sql) ?? []), row])
  const values: unknown[] = [nowMs]
  const parts = [...rows].map(([sql, of], i) => {
    const parameter = `$${values.push(JSON.stringify(of))}`
    return `part${i} as (${sql.replaceAll('$rows', parameter).replaceAll('$now', '$1')})`
  })
  await pool.query(`with ${parts.join(', ')} select $1::bigint`, values)
}
