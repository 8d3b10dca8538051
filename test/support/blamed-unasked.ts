import type { Pool } from 'pg'

/**
 * Agents that are named silent over a seat of which nothing says that they were asked before its deadline: evidence stands for
 * ever. Not of rounds that were taken up again, whose seats are asked anew.
 */
export async function blamedUnasked(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ agent: string; job: string; offeredMs: number | null }>(
    `select encode(said.agent_key, 'hex') as agent, encode(job.txid, 'hex') as job, seat.offered_ms as "offeredMs"
      from evidence as said join round_jobs as job on job.txid = any (said.txids)
        join rounds as round on round.round_id = job.round_id and round.rebuild = 0
        join round_seats as seat on seat.job_tx = job.txid and seat.agent_key = said.agent_key
      where said.kind = 'silent' and (seat.offered_ms is null or seat.offered_ms >= job.deadline_ms)`,
  )
  return rows.map(
    ({ agent, job, offeredMs }) =>
      `${agent} is named silent over job ${job}, and was ${offeredMs === null ? 'not asked' : 'asked after its deadline'}`,
  )
}
