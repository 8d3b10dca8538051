import type { Pool } from 'pg'
import type { HostsOf } from '../discovery/peers.ts'
import { byteas } from '../postgres/sql.ts'

/**
 * Leaves out hosts that say of themselves, in an advert that stands, that they are agents: those are given their jobs, and
 * would otherwise be sent whatever anybody submits to their topics.
 */
export function withoutAgents(hostsOf: HostsOf, { pool, now }: { pool: Pool; now(): number }): HostsOf {
  return async topic => {
    const hosts = await hostsOf(topic)
    if (hosts.length === 0) return hosts
    const { rows } = await pool.query<{ key: string }>({
      name: 'agents-among-hosts',
      text: `select distinct encode(agent_key, 'hex') as key from gitdata_agents
        where agent_key = any ($1) and spent_by is null and expires_ms > $2`,
      values: [byteas([...new Set(hosts.map(({ identityKey }) => identityKey))]), now()],
    })
    const agents = new Set(rows.map(({ key }) => key))
    return hosts.filter(({ identityKey }) => !agents.has(identityKey))
  }
}
