import type { Pool } from 'pg'
import { baseTopics } from '../../contract/names.ts'
import type { Outpoint } from '../../core/rounds/pipeline.ts'
import { currentAdvert } from '../indexes/agents-index.ts'
import { notBanned } from '../indexes/not-banned.ts'
import { byteas } from '../postgres/sql.ts'
import type { Independence } from './note-independence.ts'

/** An agent whose advert stands, with all that is known of it besides. */
export type Listed = Outpoint & {
  /** `<txid>.<vout>`. */
  readonly outpoint: string
  readonly agentKey: string
  readonly operator: string
  readonly independence: Independence
  readonly capabilities: readonly string[]
  readonly endpoints: readonly string[]
  readonly packetsMax: number
  readonly bytesMax: number
  readonly price: number
  readonly region: string | null
  readonly expiresMs: number
  /** Topics that it says it hosts, and those whose jobs it holds a connection for at one of our nodes. */
  readonly advertised: readonly string[]
  readonly subscribed: readonly string[]
  readonly failures: number
  /** As it says itself, where it was asked. */
  readonly health: unknown
  readonly record: {
    readonly agreed: number
    readonly dissenting: number
    readonly silent: number
    readonly late: number
    readonly failed: number
    readonly void: number
    readonly equivocated: number
    readonly asOfMs: number
    readonly latencyMs: number | null
    readonly answers: number
  } | null
}

/** Those that were here first: whoever makes ten thousand agents does not push others out. */
const AGENTS_MAX = 10_000

export async function readListed(
  pool: Pool,
  { nowMs, operators }: { readonly nowMs: number; readonly operators: readonly string[] },
): Promise<Listed[]> {
  const stageTopics = [baseTopics.normalize, baseTopics.validate, baseTopics.certify]
  const { rows } = await pool.query<Listed>({
    name: 'agents-listed',
    text: listing,
    values: [nowMs, byteas(operators), stageTopics, AGENTS_MAX],
  })
  return rows
}

const listing = `
  select encode(agent.txid, 'hex') as txid, agent.vout, encode(agent.txid, 'hex') || '.' || agent.vout as outpoint,
    encode(agent.agent_key, 'hex') as "agentKey", encode(agent.operator, 'hex') as operator,
    coalesce(owner.independence, 'claimed') as independence, capabilities, endpoints,
    packets_max as "packetsMax", bytes_max as "bytesMax", price, region, expires_ms as "expiresMs",
    advertised.topics as advertised, subscribed.topics as subscribed, coalesce(reach.failures, 0) as failures, reach.health,
    case when record.agent_key is null then null else jsonb_build_object('agreed', record.agreed,
      'dissenting', record.dissenting, 'silent', record.silent, 'late', record.late, 'failed', record.failed,
      'void', record.void, 'equivocated', record.equivocated, 'asOfMs', record.as_of_ms,
      'latencyMs', record.latency_ms, 'answers', record.answers) end as record
  from gitdata_agents as agent
  cross join lateral (
    select coalesce(array_agg(distinct host.name), '{}') as topics from host_adverts as host
      where host.kind = 'SHIP' and host.identity_key = agent.agent_key and host.name = any ($3::text[])
        and ${notBanned('host', ['host.base', "rtrim(host.domain, '/')"])}) as advertised
  cross join lateral (
    select coalesce(array_agg(held.topic), '{}') as topics from agent_subscriptions as held
      where held.agent_key = agent.agent_key and held.until_ms > $1) as subscribed
  left join operators as owner on owner.operator = agent.operator
  left join agent_reach as reach on reach.agent_key = agent.agent_key
  left join agent_records as record on record.agent_key = agent.agent_key
  where agent.expires_ms > $1 and ${currentAdvert('agent')}
    and (cardinality($2::bytea[]) = 0 or agent.operator = any ($2))
    and (cardinality(advertised.topics) > 0 or cardinality(subscribed.topics) > 0)
  order by agent.admitted_ms, agent.txid, agent.vout limit $4`
