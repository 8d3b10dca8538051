import type { Level } from '../../core/level.ts'
import type { Template } from '../../core/rounds/template.ts'
import type { RoundLease, Written } from '../../jobs/ports.ts'
import { bytea, inTransaction, type Queryable } from '../postgres/sql.ts'
import type { RoundStoreDeps } from './deps.ts'
import { keepRounds } from './leases.ts'

/** The row of a round that is held until the end of the transaction. */
export type LockedRound = {
  readonly roundId: string
  readonly template: Template
  readonly level: Level
  readonly state: 'open' | 'certifying' | 'closing' | 'lost' | 'over'
  readonly rebuild: number
  readonly jobTx: string | null
  readonly decision: StoredDecision | null
}

/** What `rounds.decision` holds, as far as it is read here again. */
export type StoredDecision = { readonly leaving?: readonly unknown[] }

/**
 * Whatever is written about a round: in one transaction, under the lease, or not at all. `refused` leaves everything as it
 * was.
 */
export async function inRound<Answer extends { readonly kind: string }>(
  lease: RoundLease,
  deps: Pick<RoundStoreDeps, 'pool' | 'leaseMs'>,
  write: (db: Queryable, round: LockedRound) => Promise<Answer | Lost>,
): Promise<Answer | Lost> {
  return inTransaction<Answer | Lost>(
    deps.pool,
    async db => {
      const round = await lockRound(db, lease)
      if (round === undefined) return lost
      const beganMs = performance.now()
      const answer = await write(db, round)
      // Nobody else could keep it for us meanwhile.
      if (performance.now() - beganMs > deps.leaseMs / 2) await keepRounds(db, [lease], deps.leaseMs)
      return answer
    },
    { keep: ({ kind }) => kind === 'written' },
  )
}

export type Lost = Extract<Written, { kind: 'lost' }>
export const lost: Lost = { kind: 'lost' }
export const written = { kind: 'written', transaction: undefined } as const

async function lockRound(db: Queryable, { roundId, token }: RoundLease): Promise<LockedRound | undefined> {
  const { rows } = await db.query<LockedRound>({
    name: 'rounds-lock',
    text: `select encode(round_id, 'hex') as "roundId", template, level, state, rebuild, encode(job_tx, 'hex') as "jobTx",
        case when state = 'closing' then decision end as decision
      from rounds where round_id = $1 and lease_token = $2 and state <> 'over' for update`,
    values: [bytea(roundId), token],
  })
  return rows[0]
}
