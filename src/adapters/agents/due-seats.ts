import type { Pool } from 'pg'
import type { Stage } from '../../core/rounds/template.ts'
import type { DueSeat } from '../../jobs/ports.ts'
import { bytea, byteas } from '../postgres/sql.ts'

export type Due = {
  /** Whose seats: of agents that hold a connection at none of our nodes, or of those that hold theirs here. */
  readonly held: 'nowhere' | readonly HeldHere[]
  readonly limit: number
  readonly nowMs: number
}

export type HeldHere = { readonly agentKey: string; readonly stage: Stage }

/** What an agent has for its word on an offer: it takes a job before it works on it. */
export const ANSWER_MS_MAX = 5_000
/** A seat that was taken may stand in line for so long. */
const IN_LINE_MS_MAX = 2_000
/** Whoever has taken a seat has noted by then what its agent has said, or somebody else offers it; a second is for all but the call. */
export const SEAT_LEASE_MS = IN_LINE_MS_MAX + ANSWER_MS_MAX + 1_000

/**
 * Seats that wait to be offered, ours for a while: of jobs that the network has and nobody has decided, to agents that are
 * not left alone after having failed to answer. None of them has been asked by that: we may be gone before we ask.
 */
export async function takeDueSeats(pool: Pool, { held, limit, nowMs }: Due): Promise<DueSeat[]> {
  const here = held === 'nowhere' ? [] : held
  const { rows } = await pool.query<DueSeat>({
    name: 'agents-take-due',
    text: takeDue,
    values: [
      ...[nowMs, limit, nowMs + SEAT_LEASE_MS, held === 'nowhere'],
      ...[byteas(here.map(({ agentKey }) => agentKey)), here.map(({ stage }) => stage)],
    ],
  })
  return rows
}

const takeDue = `
  with due as (
    select seat.job_tx, seat.vout, job.deadline_ms from round_seats as seat
      join round_jobs as job on job.txid = seat.job_tx
      where seat.state = 'queued' and not seat.is_reserve and seat.next_run_ms <= $1::bigint
        and job.seen_ms is not null and job.decided_ms is null and job.deadline_ms > $1::bigint
        and not exists (select from agent_reach as reach
          where reach.agent_key = seat.agent_key and reach.again_ms > $1::bigint and $4::boolean)
        and case when $4::boolean
          then not exists (select from agent_subscriptions as held where held.agent_key = seat.agent_key
            and held.topic = 'tm_gitdata_events_' || seat.stage and held.until_ms > $1::bigint)
          else exists (select from unnest($5::bytea[], $6::text[]) as here (agent_key, stage)
            where here.agent_key = seat.agent_key and here.stage = seat.stage) end
      order by seat.next_run_ms, seat.job_tx, seat.vout limit $2 for update of seat skip locked)
  update round_seats as seat set next_run_ms = $3::bigint
    from due where seat.job_tx = due.job_tx and seat.vout = due.vout
    returning encode(seat.job_tx, 'hex') as "jobTx", seat.vout, seat.stage, encode(seat.agent_key, 'hex') as "agentKey",
      seat.endpoints, seat.attempts, due.deadline_ms as "deadlineMs", $1::bigint + ${IN_LINE_MS_MAX} as "beginUntilMs"`

/** Taken and not offered: it is due again at once, unless somebody has taken it since. */
export async function giveBack(
  pool: Pool,
  { jobTx, vout, beginUntilMs }: Pick<DueSeat, 'jobTx' | 'vout' | 'beginUntilMs'>,
  nowMs: number,
): Promise<void> {
  await pool.query({
    name: 'agents-give-back',
    text: `update round_seats set next_run_ms = $3 where job_tx = $1 and vout = $2 and state = 'queued' and next_run_ms = $4`,
    values: [bytea(jobTx), vout, nowMs, beginUntilMs - IN_LINE_MS_MAX + SEAT_LEASE_MS],
  })
}
