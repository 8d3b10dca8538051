import {
  type Conduct,
  type OperatorRecord,
  recordJob,
  recordConduct as recordOne,
} from '../../core/rounds/coordinating/operators.ts'
import { HALF_LIFE_MS, type Term, terms } from '../../core/rounds/coordinating/reputation.ts'
import type { Seat } from '../../core/rounds/pipeline.ts'
import { bytea, byteas, type Queryable } from '../postgres/sql.ts'

/** What a decided job says of everybody: operators, whom seats are given by it, and the agents that had them. */
export async function recordConduct(
  db: Queryable,
  seats: readonly Seat[],
  conduct: readonly Conduct[],
  nowMs: number,
): Promise<void> {
  // Most jobs say nothing new of anybody, and those need no lock that all rounds would wait for.
  const records = await readRecords(db, 'as it is')
  const known = new Set(records.map(({ operator }) => operator))
  const isNew = seats.some(({ operator }) => !known.has(operator))
  if (isNew) await noteOperators(db, seats, nowMs)
  if (isNew || changedBy(records, seats, conduct).length > 0) {
    await writeRecords(db, changedBy(await readRecords(db, 'to change'), seats, conduct), nowMs)
  }
  await writeTerms(
    db,
    seats.flatMap((seat, i) => {
      const term = termOf(conduct[i])
      return term === undefined ? [] : [{ ...seat, term }]
    }),
    nowMs,
  )
}

/**
 * What has come out about some when their job was decided already, each as often as it is listed: for nobody else time passes
 * by it.
 */
export async function recordAfterwards(
  db: Queryable,
  operators: readonly string[],
  conduct: Conduct,
  nowMs: number,
): Promise<void> {
  if (operators.length === 0) return
  const records = await readRecords(db, 'to change')
  const changed = records.flatMap(record => {
    const times = operators.filter(operator => operator === record.operator).length
    if (times === 0) return []
    let after = record
    for (let each = 0; each < times; each++) after = recordOne(after, conduct)
    return [after]
  })
  await writeRecords(db, changed, nowMs)
}

async function writeRecords(db: Queryable, changed: readonly OperatorRecord[], nowMs: number): Promise<void> {
  for (const { operator, failurePoints } of changed)
    await db.query({
      name: 'rounds-operator',
      text: 'update operators set failure_points = $2, changed_ms = $3 where operator = $1',
      values: [bytea(operator), failurePoints, nowMs],
    })
}

async function noteOperators(db: Queryable, seats: readonly Seat[], nowMs: number): Promise<void> {
  await db.query({
    name: 'rounds-note-operators',
    text: `insert into operators (operator, first_ms, changed_ms)
      select distinct operator, $2::bigint, $2::bigint from unnest($1::bytea[]) as seat (operator) order by operator
      on conflict do nothing`,
    values: [byteas(seats.map(({ operator }) => operator)), nowMs],
  })
}

function changedBy(
  records: readonly OperatorRecord[],
  seats: readonly Seat[],
  conduct: readonly Conduct[],
): OperatorRecord[] {
  return recordJob(records, seats, conduct).filter(
    (record, i) => record.failurePoints !== records[i]?.failurePoints,
  )
}

async function readRecords(db: Queryable, how: 'as it is' | 'to change'): Promise<OperatorRecord[]> {
  const columns = `select encode(operator, 'hex') as operator, true as reachable, failure_points as "failurePoints",
    double_spends as "doubleSpends" from operators order by operator`
  const { rows } = await db.query<OperatorRecord>(
    how === 'as it is'
      ? { name: 'rounds-operators', text: columns }
      : { name: 'rounds-operators-locked', text: `${columns} for update` },
  )
  return rows
}

/** Unheard and unsettled say nothing of an agent: it was up to others, or nobody knows who was wrong. */
function termOf(conduct: Conduct | undefined): Term | undefined {
  return conduct === 'agreed' || conduct === 'dissenting' || conduct === 'silent' ? conduct : undefined
}

/** Of a term: PostgreSQL refuses what it cannot tell from nothing, rather than calling it nothing. */
const FORGOTTEN = 1e-9
const HALVINGS_MAX = 60
const halvings = `least(${HALVINGS_MAX}, greatest(0, excluded.as_of_ms - record.as_of_ms) / $3::double precision)`

export type Shown = { readonly agentKey: string; readonly operator: string; readonly term: Term }

export async function writeTerms(db: Queryable, shown: readonly Shown[], nowMs: number): Promise<void> {
  if (shown.length === 0) return
  const rows = shown.map(({ agentKey, operator, term }) => ({ agent_key: agentKey, operator, term }))
  await db.query({
    name: 'rounds-write-terms',
    text: `with given as (
        select decode(agent_key, 'hex') as agent_key, decode(operator, 'hex') as operator, term
          from jsonb_to_recordset($1::jsonb) as given (agent_key text, operator text, term text)
      ), known as (
        insert into operators (operator, first_ms, changed_ms)
          select distinct operator, $2::bigint, $2::bigint from given order by operator on conflict do nothing
      ), counted as (
        select agent_key, min(operator) as operator, ${terms
          .map(term => `count(*) filter (where term = '${term}') as ${term}`)
          .join(', ')}
          from given group by agent_key order by agent_key
      )
      insert into agent_records as record (agent_key, operator, as_of_ms, ${terms.join(', ')})
        select agent_key, operator, $2::bigint, ${terms.join(', ')} from counted
        on conflict (agent_key) do update set operator = excluded.operator,
          as_of_ms = greatest(record.as_of_ms, excluded.as_of_ms), ${terms
            .map(
              term =>
                `${term} = case when record.${term} < ${FORGOTTEN} then 0 else record.${term} * power(0.5, ${halvings}) end + excluded.${term}`,
            )
            .join(', ')}`,
    values: [JSON.stringify(rows), nowMs, HALF_LIFE_MS],
  })
}
