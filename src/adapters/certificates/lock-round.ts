import type { Pool } from 'pg'
import { bytea, type Queryable } from '../postgres/sql.ts'

export type SettleDeps = { readonly pool: Pool; readonly nowMs: number }

export type LockedRound = {
  readonly template: string
  readonly state: string
  readonly lastTx: string | null
}

/** Before anything else: whoever settles or recovers a round waits here. */
export async function lockRound(db: Queryable, roundId: string): Promise<LockedRound | undefined> {
  const { rows } = await db.query<LockedRound>({
    name: 'certify-lock',
    text: `select template, state, encode(last_tx, 'hex') as "lastTx" from rounds where round_id = $1 for update`,
    values: [bytea(roundId)],
  })
  return rows[0]
}
