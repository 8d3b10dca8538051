import { DatabaseError } from 'pg'
import { isConnectionLoss, isOutOfTime } from '../../postgres/connection-loss.ts'
import type { Queryable } from '../../postgres/sql.ts'

/**
 * Resolves where something could not be read for a reason of its own, which is a gap to its readers. A database that cannot
 * be asked is none: it rejects then, and everything is read again.
 */
export async function notTheDatabase(error: unknown, db: Queryable): Promise<void> {
  if (error instanceof DatabaseError || isConnectionLoss(error) || isOutOfTime(error)) throw error
  await db.query('select')
}
