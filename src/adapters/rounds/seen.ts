import type { RoundLease } from '../../jobs/ports.ts'
import { bytea } from '../postgres/sql.ts'
import type { RoundStoreDeps } from './deps.ts'

/** The network has the job: its seats may be offered, but for those in reserve. */
export async function writeJobSeen(
  { roundId, token }: RoundLease,
  jobTx: string,
  nowMs: number,
  { pool }: Pick<RoundStoreDeps, 'pool'>,
): Promise<'written' | 'lost'> {
  const { rowCount } = await pool.query({
    name: 'rounds-job-seen',
    text: `with ours as (
        update rounds set in_flight = in_flight and last_tx <> $3::bytea
          where round_id = $1 and lease_token = $2 and job_tx = $3::bytea and state = 'open' returning round_id
      ), seats as (
        update round_seats set next_run_ms = $4::bigint
          where job_tx = $3::bytea and state = 'queued' and not is_reserve and exists (select from ours)
      )
      update round_jobs set seen_ms = coalesce(seen_ms, $4::bigint) where txid = $3::bytea and exists (select from ours)`,
    values: [bytea(roundId), token, bytea(jobTx), nowMs],
  })
  return rowCount === 1 ? 'written' : 'lost'
}

/** What was held back is offered too. */
export async function writeReserveOffered(
  { roundId, token }: RoundLease,
  jobTx: string,
  nowMs: number,
  { pool }: Pick<RoundStoreDeps, 'pool'>,
): Promise<'written' | 'lost'> {
  const { rowCount } = await pool.query({
    name: 'rounds-offer-reserve',
    text: `with ours as (
        update rounds set coordinator = coordinator
          where round_id = $1 and lease_token = $2 and job_tx = $3 and state = 'open' returning round_id
      ), seats as (
        update round_seats set next_run_ms = $4, is_reserve = false
          where job_tx = $3 and state = 'queued' and is_reserve and exists (select from ours)
      )
      select from ours`,
    values: [bytea(roundId), token, bytea(jobTx), nowMs],
  })
  return rowCount === 1 ? 'written' : 'lost'
}
