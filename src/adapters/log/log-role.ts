import type { Pool } from 'pg'
import { inTransaction } from '../postgres/sql.ts'

/** May add to the log, and change nothing that is in it. */
const LOG_ROLE = 'assay_log'

/** The role that transactions on the log run as, or why there is none: then the triggers stand alone. */
export async function findLogRole(
  pool: Pool,
): Promise<{ readonly role?: string; readonly missing?: string }> {
  const { rows } = await pool.query<{ there: boolean }>(
    `select to_regrole('${LOG_ROLE}') is not null as there`,
  )
  if (rows[0]?.there !== true)
    return {
      missing: `there is no role ${LOG_ROLE}, because whoever migrated this database may not create roles`,
    }
  try {
    await inTransaction(pool, db => db.query('select from partition_heads limit 0'), {
      begin: beginAs(LOG_ROLE),
    })
    return { role: LOG_ROLE }
  } catch (error) {
    return {
      missing: `the role ${LOG_ROLE} cannot be taken (${error instanceof Error ? error.message : String(error)})`,
    }
  }
}

/** What begins a transaction under this role; it ends with the transaction. */
export function beginAs(role: string | undefined): string {
  return role === undefined ? 'begin' : `begin; set local role ${role}`
}
