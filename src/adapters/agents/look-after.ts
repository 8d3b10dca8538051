import type { Pool } from 'pg'
import { readAgentHealth } from '../../contract/messages.ts'
import { type Repeating, repeat } from '../../runtime/repeat.ts'
import type { Outgoing } from '../outgoing/outgoing.ts'
import { byteas } from '../postgres/sql.ts'
import { under } from './callable.ts'
import type { ListedAgent } from './directory.ts'
import { noteAnswered, noteSilent } from './reach.ts'

export type LookAfterDeps = {
  readonly pool: Pool
  readonly outgoing: Outgoing
  agents(): readonly ListedAgent[]
  now(): number
  /** Somebody is within reach who was not before, or the other way round. */
  onChange(): void
  onFailure(error: unknown): void
  readonly checkMs?: number
  readonly everyMs?: number
}

/** An agent that has not been called for so long is asked how it is. */
const CHECK_MS = 10_000
const EVERY_MS = 1_000
const AT_ONCE = 16
const ANSWER_MS_MAX = 3_000
const ANSWER_BYTES_MAX = 16 * 1024

/** Finds out who is within reach, of agents that nothing was offered to lately; once for all processes together. */
export function startLookingAfter(deps: LookAfterDeps): Repeating {
  return repeat(() => lookAfter(deps), { everyMs: deps.everyMs ?? EVERY_MS, onFailure: deps.onFailure })
}

async function lookAfter(deps: LookAfterDeps): Promise<void> {
  const callable = deps.agents().filter(({ endpoints, isConnected }) => endpoints.length > 0 && !isConnected)
  const due = new Set(await claimDue(callable, deps))
  const asked = callable.filter(({ agentKey }) => due.has(agentKey))
  if (asked.length === 0) return
  await Promise.all(asked.map(agent => check(agent, deps)))
  deps.onChange()
}

/** Whoever claims an agent asks it; one that does not answer is asked again once it is not left alone any more. */
async function claimDue(
  agents: readonly ListedAgent[],
  { pool, now, checkMs = CHECK_MS }: LookAfterDeps,
): Promise<string[]> {
  if (agents.length === 0) return []
  const { rows } = await pool.query<{ key: string }>({
    name: 'agents-claim-checks',
    text: `with due as (
        select listed.agent_key from unnest($1::bytea[]) as listed (agent_key)
          left join agent_reach as reach using (agent_key)
          where reach.agent_key is null or ${isDue}
          order by coalesce(reach.checked_ms, 0), listed.agent_key limit $4)
      insert into agent_reach as reach (agent_key, checked_ms) select agent_key, $2::bigint from due
      on conflict (agent_key) do update set checked_ms = excluded.checked_ms where ${isDue}
      returning encode(agent_key, 'hex') as key`,
    values: [byteas(agents.map(({ agentKey }) => agentKey)), now(), checkMs, AT_ONCE],
  })
  return rows.map(({ key }) => key)
}

/** Asked again of the row as it is when it is claimed: somebody else may have been quicker, and an instant earlier. */
const isDue = `(reach.checked_ms <= $2::bigint - $3
  or (reach.failures > 0 and reach.again_ms <= $2::bigint and reach.checked_ms < reach.again_ms))`

async function check(
  { agentKey, endpoints }: ListedAgent,
  { pool, outgoing, now }: LookAfterDeps,
): Promise<void> {
  try {
    const health = await askHealth(agentKey, endpoints[0] ?? '', outgoing)
    await noteAnswered(pool, agentKey, now(), health)
  } catch (error) {
    await noteSilent(pool, agentKey, now(), error)
  }
}

async function askHealth(agentKey: string, endpoint: string, outgoing: Outgoing): Promise<unknown> {
  const answer = await outgoing(under(endpoint, '/health'), {
    answerMsMax: ANSWER_MS_MAX,
    answerBytesMax: ANSWER_BYTES_MAX,
  })
  const health = readAgentHealth(JSON.parse(new TextDecoder().decode(answer.body)))
  if (!health.ok) throw new Error(`${endpoint}/health: ${health.fault.detail}`)
  if (health.value.agentKey !== agentKey)
    throw new Error(`${endpoint} is the address of another agent, ${health.value.agentKey}`)
  if (health.value.status !== 'ready') throw new Error(`${endpoint} says that it is ${health.value.status}`)
  return health.value
}
