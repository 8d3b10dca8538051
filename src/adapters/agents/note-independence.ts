import type { Pool } from 'pg'
import { byteas } from '../postgres/sql.ts'

/** Whether operators are known to be one person's; of all others nobody knows more than that they say they are not. */
export type Independence = 'claimed' | 'simulated'

/** Of these, whether or not any of their agents has been here. */
export async function noteIndependence(
  pool: Pool,
  operators: readonly string[],
  independence: Independence,
  nowMs: number,
): Promise<void> {
  await pool.query({
    name: 'agents-note-independence',
    // Nobody is taken down for being independent: that is what is said of everybody.
    text: `with known as (
        update operators set independence = $2, changed_ms = $3
          where operator = any ($1::bytea[]) and independence <> $2
      )
      insert into operators (operator, independence, first_ms, changed_ms)
        select operator, $2, $3, $3 from unnest($1::bytea[]) as named (operator)
          where $2 <> 'claimed' order by operator
        on conflict (operator) do nothing`,
    values: [byteas(operators), independence, nowMs],
  })
}
