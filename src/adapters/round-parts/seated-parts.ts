import type { RoundPart } from '../../contract/round-locations.ts'
import { bytea, byteas, type Queryable } from '../postgres/sql.ts'
import { namesPart } from './names-part.ts'

/** Those of the parts that belong to a round in which this agent was given a seat. */
export async function seatedParts(
  db: Queryable,
  part: RoundPart,
  names: readonly string[],
  agentKey: string,
): Promise<ReadonlySet<string>> {
  const { rows } = await db.query<{ name: string }>({
    name: `round-seat-${part}`,
    text: `select encode(asked.name, 'hex') as name from unnest($1::bytea[]) as asked (name)
      where exists (select from rounds round where (${belongs[part]}) and exists (
        select from round_jobs job join round_seats seat on seat.job_tx = job.txid
          where job.round_id = round.round_id and seat.agent_key = $2) offset 0)`,
    values: [byteas(names), bytea(agentKey)],
  })
  return new Set(rows.map(({ name }) => name))
}

const resultOf = (column: 'leaf' | 'state_out') => `round.round_id in (
  select job.round_id from outcomes join round_results result on result.txid = outcomes.result_tx
    join round_jobs job on job.txid = result.job_tx where outcomes.is_agreed and outcomes.${column} = asked.name)`

const belongs: Readonly<Record<RoundPart, string>> = {
  document: 'round.input_hash = asked.name',
  packet: 'round.round_id in (select round_id from round_members where packet_id = asked.name)',
  policy: namesPart('policy', 'asked.name'),
  state: `(${namesPart('state', 'asked.name')}) or ${resultOf('state_out')}`,
  outcome: resultOf('leaf'),
  manifest: namesPart('manifest', 'asked.name'),
}
