import type { Pool } from 'pg'
import type { Migration } from '../../../migrations/index.ts'
import { migrationsTable } from './migrate.ts'

/** What this version would apply, and what it does not know; nothing is changed by asking. */
export async function migrationState(
  pool: Pool,
  migrations: readonly Migration[],
): Promise<{ readonly pending: readonly string[]; readonly unknown: readonly string[] }> {
  const { rows: tables } = await pool.query<{ there: boolean }>(
    'select to_regclass($1) is not null as there',
    [migrationsTable],
  )
  const { rows } = tables[0]?.there
    ? await pool.query<{ name: string }>(`select name from ${migrationsTable} order by id`)
    : { rows: [] }
  const applied = new Set(rows.map(({ name }) => name))
  const known = new Set(migrations.map(({ name }) => name))
  return {
    pending: [...known].filter(name => !applied.has(name)),
    unknown: [...applied].filter(name => !known.has(name)),
  }
}
