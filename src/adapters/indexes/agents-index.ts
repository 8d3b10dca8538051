import type { Pool } from 'pg'
import type { AgentsIndex, AgentsQuery, ListedAgent } from '../../../lookup-services/agents-index.ts'
import { writeWithAdmission } from '../overlay/index-writes.ts'
import { byAdmission, conditionsOf } from './conditions.ts'
import { type Resettable, spentOutputWrites } from './output-writes.ts'

export type PostgresAgentsIndex = AgentsIndex & Resettable

/** Its writes take effect with the admission that is being judged. */
export function postgresAgentsIndex(pool: Pool, questions = pool): PostgresAgentsIndex {
  return {
    async put({ txid, vout, capabilities, endpoints, ...advert }) {
      const said = {
        agent_key: advert.agentKey,
        operator: advert.operator,
        operator_from_ms: advert.operatorFromMs,
        operator_to_ms: advert.operatorToMs,
        // Neither holds a space, and a row of an index write has no lists.
        capabilities: capabilities.join(' '),
        endpoints: endpoints.join(' '),
        packets_max: advert.packetsMax,
        bytes_max: advert.bytesMax,
        price: advert.satoshisPerThousandEvents,
        region: advert.region ?? null,
        expires_ms: advert.expiresMs,
      }
      writeWithAdmission({ index, sql: record, row: { txid, vout, ...said } })
    },
    ...spentOutputWrites(pool, index, spend),
    async find(query) {
      const { rows } = await questions.query<Row>(findStatement(query))
      return rows.map(({ region, ...listed }) => ({ ...listed, ...(region !== null && { region }) }))
    },
  }
}

type Row = Omit<ListedAgent, 'region'> & { readonly region: string | null }

const index = 'gitdata_agents'

const record = `
  insert into gitdata_agents (txid, vout, agent_key, operator, operator_from_ms, operator_to_ms, capabilities, endpoints,
    packets_max, bytes_max, price, region, expires_ms, admitted_ms)
  select decode(txid, 'hex'), vout, decode(agent_key, 'hex'), decode(operator, 'hex'), operator_from_ms, operator_to_ms,
    string_to_array(capabilities, ' '), string_to_array(endpoints, ' '), packets_max, bytes_max, price, region,
    expires_ms, $now::bigint
  from jsonb_to_recordset($rows::jsonb) as given (txid text, vout bigint, agent_key text, operator text,
    operator_from_ms bigint, operator_to_ms bigint, capabilities text, endpoints text, packets_max bigint,
    bytes_max bigint, price bigint, region text, expires_ms bigint)
  order by 1, 2
  on conflict (txid, vout) do nothing`

const spend = `
  update gitdata_agents as listed set spent_by = decode(given.spent_by, 'hex')
  from jsonb_to_recordset($rows::jsonb) as given (txid text, vout bigint, spent_by text)
  where listed.txid = decode(given.txid, 'hex') and listed.vout = given.vout`

export function findStatement(query: AgentsQuery): { text: string; values: unknown[] } {
  const { values, given, also, only, onlyBytes, onlyAfter, where } = conditionsOf()
  if (query.which === 'current') also(currentAdvert('listed'))
  onlyBytes('agent_key', query.agentKey)
  onlyBytes('operator', query.operator)
  only('region', '=', query.region)
  only('price', '<=', query.maxPrice)
  only('packets_max', '>=', query.packets)
  only('bytes_max', '>=', query.bytes)
  only('expires_ms', '>', query.expiresAfterMs)
  if (query.capability !== undefined) also(`${given(query.capability)} = any (listed.capabilities)`)
  onlyAfter(query.after, query.order)
  const text = `select encode(txid, 'hex') as txid, vout, encode(agent_key, 'hex') as "agentKey",
    encode(operator, 'hex') as operator, operator_from_ms as "operatorFromMs", operator_to_ms as "operatorToMs",
    capabilities, endpoints, packets_max as "packetsMax", bytes_max as "bytesMax",
    price as "satoshisPerThousandEvents", region, expires_ms as "expiresMs",
    admitted_ms as "admittedMs", spent_by is not null as spent
    from gitdata_agents as listed ${where()} order by ${byAdmission(query.order)} limit ${given(query.limit)}`
  return { text, values }
}

/** Of what the agent has not withdrawn, the one that expires last; of those, the one admitted last. */
export function currentAdvert(row: string): string {
  return `${row}.spent_by is null and not exists (
      select from gitdata_agents as better
        where better.agent_key = ${row}.agent_key and better.spent_by is null
          and (better.expires_ms, better.admitted_ms, better.txid, better.vout)
            > (${row}.expires_ms, ${row}.admitted_ms, ${row}.txid, ${row}.vout))`
}
