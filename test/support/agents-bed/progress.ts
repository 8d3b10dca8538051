import type { Pool } from 'pg'

/** How far packets with events are, by what the coordinator and readers are shown of them. */
export type Progress = {
  readonly events: number
  /** In packets. */
  readonly sealed: number
  /** In packets whose certificate the network has. */
  readonly anchored: number
  /** In packets whose certificate a block has. */
  readonly proven: number
  readonly split: number
}

export async function readProgress(pool: Pool): Promise<Progress> {
  const { rows } = await pool.query<Progress>({
    name: 'bed-progress',
    text: `select (select coalesce(sum(next_seq), 0)::int from partition_heads) as events,
        coalesce(sum(packet.count), 0)::int as sealed,
        coalesce(sum(packet.count) filter (where became.state in ('anchored', 'proven')), 0)::int as anchored,
        coalesce(sum(packet.count) filter (where became.state = 'proven'), 0)::int as proven,
        coalesce(sum(packet.count) filter (where became.state = 'split'), 0)::int as split
      from packets as packet left join packet_states as became using (partition_id, packet_no)`,
  })
  const [row] = rows
  if (row === undefined) throw new Error('a sum without a group has a row')
  return row
}

/** Nothing is under way: every round is over, and nobody is owed an answer. */
export async function isAtRest(pool: Pool): Promise<boolean> {
  const { rows } = await pool.query<{ open: number }>(
    `select ((select count(*) from rounds where state <> 'over')
      + (select count(*) from fuel_transactions where state = 'stored'))::int as open`,
  )
  return rows[0]?.open === 0
}

/** What is known of rounds, for whoever has to find out why nothing goes on. */
export async function describeRounds(pool: Pool): Promise<string> {
  const shown: unknown[] = []
  for (const text of [
    `select encode(substr(round_id, 1, 4), 'hex') as round, state, in_flight, lease_until_ms, coordinator, decision is not null
      as decided, last_error from rounds where state <> 'over' order by made_ms limit 5`,
    `select status, count(*)::int, max(rounds) as rounds, max(tries) as tries from packet_standings group by status`,
    `select job.stage, seat.state, seat.attempts, seat.last_error, count(*)::int from round_seats as seat
      join round_jobs as job on job.txid = seat.job_tx where seat.state <> 'completed' group by 1, 2, 3, 4 limit 10`,
    `select work, void_why, status, count(*)::int from round_results group by 1, 2, 3 limit 10`,
    `select state, stage, last_error, count(*)::int from fuel_transactions where state in ('stored', 'dead') group by 1, 2, 3 limit 10`,
    `select kind, count(*)::int from evidence group by kind`,
  ])
    shown.push((await pool.query<object>(text)).rows)
  return shown.map(rows => JSON.stringify(rows)).join('\n')
}
