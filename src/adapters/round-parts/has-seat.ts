import type { RoundPart } from '../../contract/round-locations.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'
import { namesPart } from './names-part.ts'

/** Whether this agent was given a seat in a round that the part belongs to. */
export async function hasSeat(
  db: Queryable,
  part: RoundPart,
  name: string,
  agentKey: string,
): Promise<boolean> {
  const { rowCount } = await db.query({
    name: `round-seat-${part}`,
    text: `select from rounds round where (${belongs[part]}) and exists (
        select from round_jobs job join round_seats seat on seat.job_tx = job.txid
          where job.round_id = round.round_id and seat.agent_key = $2) limit 1`,
    values: [bytea(name), bytea(agentKey)],
  })
  return rowCount === 1
}

const resultOf = (column: 'leaf' | 'state_out') => `round.round_id in (
  select job.round_id from outcomes join round_results result on result.txid = outcomes.result_tx
    join round_jobs job on job.txid = result.job_tx where outcomes.is_agreed and outcomes.${column} = $1)`

const belongs: Readonly<Record<RoundPart, string>> = {
  document: 'round.input_hash = $1',
  packet: 'round.round_id in (select round_id from round_members where packet_id = $1)',
  policy: namesPart('policy', '$1'),
  state: `(${namesPart('state', '$1')}) or ${resultOf('state_out')}`,
  outcome: resultOf('leaf'),
  manifest: namesPart('manifest', '$1'),
}
