import type { DueAggregate } from '../../jobs/ports.ts'
import type { Queryable } from '../postgres/sql.ts'

/** Statements over certified packets that are due, oldest first. */
export async function readDueAggregates(
  _db: Queryable,
  _operators: readonly string[],
): Promise<DueAggregate[]> {
  return []
}
