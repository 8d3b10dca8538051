import type { DueAggregate } from '../../jobs/ports.ts'
import type { Queryable } from '../postgres/sql.ts'
import { type AggregateRow, aggregateColumns, aggregateStanding } from './aggregate-standings.ts'

/** In one look; the others have their turn once these have their rounds. */
const AGGREGATES_MAX = 64

/** Statements over certified packets that are due, oldest first. */
export async function readDueAggregates(
  db: Queryable,
  { nowMs, operators }: { readonly nowMs: number; readonly operators: readonly string[] },
): Promise<DueAggregate[]> {
  const { rows } = await db.query<DueRow>({
    name: 'rounds-due-aggregates',
    text: `select ${aggregateColumns}, encode(aggregate.roster_digest, 'hex') as "rosterDigest", stream.operators,
        coalesce(before.rebuild + 1, 0) as rebuild
      from aggregates as aggregate
        join partitions as opened on opened.id = aggregate.partition_id
        join streams as stream on stream.stream_id = opened.stream_id
        left join rounds as before on before.round_id = aggregate.aggregate_id
      where aggregate.state = 'due' and aggregate.retry_ms <= $1 and coalesce(before.state, 'over') = 'over'
      order by aggregate.made_ms, aggregate.aggregate_id limit $2`,
    values: [nowMs, AGGREGATES_MAX],
  })
  return rows.map(row => ({
    standing: aggregateStanding(row),
    document: row.document,
    rosterDigest: row.rosterDigest,
    operators: row.operators.length > 0 ? row.operators : operators,
    rebuild: row.rebuild,
  }))
}

type DueRow = AggregateRow & {
  readonly rosterDigest: string
  readonly operators: readonly string[]
  readonly rebuild: number
}
