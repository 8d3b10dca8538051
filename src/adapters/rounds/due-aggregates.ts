import { acceptedOperators } from '../../core/log/roster.ts'
import type { DueAggregate } from '../../jobs/ports.ts'
import type { Queryable } from '../postgres/sql.ts'
import { type AggregateRow, aggregateColumns, aggregateStanding } from './aggregate-standings.ts'
import { retryIsDue } from './retry-due.ts'

/** In one look, of one level and one roster; the others have their turn once these have their rounds. */
const AGGREGATES_MAX = 64

/** Statements over certified packets that are due, oldest first. */
export async function readDueAggregates(
  db: Queryable,
  { nowMs, operators }: { readonly nowMs: number; readonly operators: readonly string[] },
): Promise<DueAggregate[]> {
  const { rows } = await db.query<DueRow>({
    name: 'rounds-due-aggregates',
    // Of each kind by itself: whether a kind can be seated is not known yet, and those that cannot take nobody's place.
    text: `with due as (
        select aggregate.aggregate_id,
            row_number() over (partition by opened.level, aggregate.roster_digest
              order by aggregate.made_ms, aggregate.aggregate_id) as place
          from aggregates as aggregate
            join partitions as opened on opened.id = aggregate.partition_id
            left join rounds as before on before.round_id = aggregate.aggregate_id
            join streams as published on published.stream_id = opened.stream_id and published.published
          where aggregate.state = 'due' and coalesce(before.state, 'over') = 'over'
            and ${retryIsDue('aggregate.retry_ms', '$1')}
      )
      select ${aggregateColumns}, encode(aggregate.roster_digest, 'hex') as "rosterDigest", stream.operators,
        coalesce(before.rebuild + 1, 0) as rebuild
      from due
        join aggregates as aggregate on aggregate.aggregate_id = due.aggregate_id
        join partitions as opened on opened.id = aggregate.partition_id
        join streams as stream on stream.stream_id = opened.stream_id
        left join rounds as before on before.round_id = aggregate.aggregate_id
      where due.place <= $2
      order by aggregate.made_ms, aggregate.aggregate_id`,
    values: [nowMs, AGGREGATES_MAX],
  })
  return rows.map(row => ({
    standing: aggregateStanding(row),
    document: row.document,
    rosterDigest: row.rosterDigest,
    operators: acceptedOperators(row.operators, operators),
    rebuild: row.rebuild,
  }))
}

type DueRow = AggregateRow & {
  readonly rosterDigest: string
  readonly operators: readonly string[]
  readonly rebuild: number
}
