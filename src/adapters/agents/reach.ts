import { backOff } from '../../runtime/back-off.ts'
import { keptText } from '../postgres/kept-text.ts'
import { bytea, numbers, type Queryable } from '../postgres/sql.ts'

/** After so many calls in a row without an answer an agent counts as out of reach, until it answers again. */
export const UNREACHABLE_AFTER = 3
/** How long an agent that does not answer is left alone at most: a seat that waits for it has a deadline. */
const REST_MS_MAX = 10_000

/** An agent has answered, with whatever it is. `health`: what it says of itself, where it was asked. */
export async function noteAnswered(
  db: Queryable,
  agentKey: string,
  atMs: number,
  health?: unknown,
): Promise<void> {
  await db.query({
    name: 'agents-answered',
    text: answered('$1', '$2', '$3'),
    values: [bytea(agentKey), atMs, health === undefined ? null : JSON.stringify(health)],
  })
}

export function answered(agentKey: string, atMs: string, health: string): string {
  return `insert into agent_reach as reach (agent_key, answered_ms, health, checked_ms)
      values (${agentKey}::bytea, ${atMs}::bigint, ${health}::jsonb, ${atMs}::bigint)
    on conflict (agent_key) do update set failures = 0, again_ms = 0, last_error = null,
      answered_ms = greatest(reach.answered_ms, excluded.answered_ms),
      checked_ms = greatest(reach.checked_ms, excluded.checked_ms),
      health = coalesce(excluded.health, reach.health)`
}

/** It has not: nothing is offered to it for a while, longer each time. */
export async function noteSilent(
  db: Queryable,
  agentKey: string,
  atMs: number,
  error: unknown,
): Promise<void> {
  const pauses = Array.from({ length: PAUSES }, (_, i) => backOff(i + 1, { longestMs: REST_MS_MAX }))
  await db.query({
    name: 'agents-silent',
    // Of several calls at once that fail together, the first has said it.
    text: `insert into agent_reach as reach (agent_key, failures, again_ms, last_error, checked_ms)
        values ($1, 1, $2::bigint + ($4::bigint[])[1], $3, $2::bigint)
      on conflict (agent_key) do update set
        failures = reach.failures + (reach.again_ms <= $2::bigint)::int,
        again_ms = case when reach.again_ms > $2::bigint then reach.again_ms
          else $2::bigint + ($4::bigint[])[least(reach.failures + 1, cardinality($4::bigint[]))] end,
        last_error = $3, checked_ms = greatest(reach.checked_ms, $2::bigint)`,
    values: [bytea(agentKey), atMs, reasonOf(error), numbers(pauses)],
  })
}

const PAUSES = 6

export function reasonOf(error: unknown): string {
  return keptText(error instanceof Error ? error.message : String(error))
}
