import type { Pool } from 'pg'
import type { AgentsIndex, AgentsQuery, ListedAgent } from '../../../lookup-services/agents-index.ts'
import { writeWithAdmission } from '../overlay/index-writes.ts'
import { bytea } from '../postgres/sql.ts'
import { removeOutputs } from './remove-outputs.ts'

export type PostgresAgentsIndex = AgentsIndex & {
  /** Resolves once the index is empty, to be filled again from admitted outputs. */
  reset(): Promise<void>
}

/** Its writes take effect with the admission that is being judged. */
export function postgresAgentsIndex(pool: Pool): PostgresAgentsIndex {
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
    async markSpent({ txid, vout }, spendingTxid) {
      writeWithAdmission({ index, sql: spend, row: { txid, vout, spent_by: spendingTxid } })
    },
    async markUnspent({ txid, vout }, spendingTxid) {
      writeWithAdmission({ index, sql: takeSpendBack, row: { txid, vout, spent_by: spendingTxid } })
    },
    async remove({ txid, vout }) {
      writeWithAdmission({ index, sql: remove, row: { txid, vout } })
    },
    async find(query) {
      const { rows } = await pool.query<Row>(findStatement(query))
      return rows.map(({ region, ...listed }) => ({ ...listed, ...(region !== null && { region }) }))
    },
    async reset() {
      await pool.query('truncate gitdata_agents')
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

const takeSpendBack = `
  update gitdata_agents as listed set spent_by = null
  from jsonb_to_recordset($rows::jsonb) as given (txid text, vout bigint, spent_by text)
  where listed.txid = decode(given.txid, 'hex') and listed.vout = given.vout
    and listed.spent_by = decode(given.spent_by, 'hex')`

const remove = removeOutputs(index)

export function findStatement(query: AgentsQuery): { text: string; values: unknown[] } {
  const values: unknown[] = []
  const given = (value: unknown) => `$${values.push(value)}`
  const conditions = query.which === 'current' ? [currentAdvert('listed')] : []
  const only = (column: string, comparison: string, value: unknown) => {
    if (value !== undefined) conditions.push(`listed.${column} ${comparison} ${given(value)}`)
  }
  only('agent_key', '=', query.agentKey && bytea(query.agentKey))
  only('operator', '=', query.operator && bytea(query.operator))
  only('region', '=', query.region)
  only('price', '<=', query.maxPrice)
  only('packets_max', '>=', query.packets)
  only('bytes_max', '>=', query.bytes)
  only('expires_ms', '>', query.expiresAfterMs)
  if (query.capability !== undefined)
    conditions.push(`${given(query.capability)} = any (listed.capabilities)`)
  if (query.after !== undefined) {
    const { admittedMs, txid, vout } = query.after
    const position = [admittedMs, bytea(txid), vout].map(given).join(', ')
    conditions.push(
      `(listed.admitted_ms, listed.txid, listed.vout) ${query.order === 'asc' ? '>' : '<'} (${position})`,
    )
  }
  const where = conditions.length > 0 ? `where ${conditions.join(' and ')}` : ''
  // Qualified, because the answer has a column `txid` of its own, which is text.
  const by = ['admitted_ms', 'txid', 'vout'].map(column => `listed.${column} ${query.order}`).join(', ')
  const text = `select encode(txid, 'hex') as txid, vout, encode(agent_key, 'hex') as "agentKey",
    encode(operator, 'hex') as operator, operator_from_ms as "operatorFromMs", operator_to_ms as "operatorToMs",
    capabilities, endpoints, packets_max as "packetsMax", bytes_max as "bytesMax",
    price as "satoshisPerThousandEvents", region, expires_ms as "expiresMs",
    admitted_ms as "admittedMs", spent_by is not null as spent
    from gitdata_agents as listed ${where} order by ${by} limit ${given(query.limit)}`
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
