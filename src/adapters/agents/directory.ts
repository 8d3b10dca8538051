import type { Pool } from 'pg'
import { baseTopics } from '../../contract/names.ts'
import type { OperatorRecord } from '../../core/rounds/coordinating/operators.ts'
import { type Stage, stages } from '../../core/rounds/template.ts'
import type { Directory, KnownAgent } from '../../jobs/ports.ts'
import { type Repeating, repeat } from '../../runtime/repeat.ts'
import { bytea, byteas } from '../postgres/sql.ts'
import { callable } from './callable.ts'
import type { Independence } from './note-independence.ts'
import { openOperatorWords } from './operator-words.ts'
import { UNREACHABLE_AFTER } from './reach.ts'
import { type Listed, readListed } from './read-listed.ts'

export type OpenDirectory = Omit<Directory, 'operators'> & {
  /** Resolves after the first look; looks again and again until it is stopped. */
  start(): Promise<void>
  stop(): Promise<void>
  /** Resolves with what stands in the database then. */
  refresh(): Promise<void>
  /** An advert was admitted or withdrawn: looks at once. */
  wake(): void
  /** Of a stage alone: an operator whose agent for another one answers is no help. */
  operators(stage?: Stage): readonly OperatorRecord[]
  /** All of them, whatever they can do, and whether or not seats may be given to them. */
  listed(): readonly ListedAgent[]
}

export type ListedAgent = KnownAgent & {
  readonly independence: Independence
  readonly stages: readonly Stage[]
  readonly isConnected: boolean
  /** Null: it has shown nothing yet. */
  readonly record: Listed['record']
  readonly health: unknown
}

export type DirectoryDeps = {
  readonly pool: Pool
  /** Whether an address that nobody else can reach may be one of an agent. */
  readonly allowLocal: boolean
  /** Whose agents are asked; empty: anybody's. */
  readonly operators: readonly string[]
  /** 0 to 100; 100 for whoever has no record. */
  readonly reputationOf?: (record: AgentRecord, nowMs: number) => number
  now(): number
  onFailure(error: unknown): void
  readonly everyMs?: number
}

/** The row of agent_records. */
export type AgentRecord = NonNullable<Listed['record']>

/** Between two looks, where nobody wakes us: other processes admit adverts too. */
const EVERY_MS = 1000
export const REPUTATION_MAX = 100

/** Who can be given a seat, kept in memory: asked at every round, and read from the adverts behind its back. */
export function openDirectory(deps: DirectoryDeps): OpenDirectory {
  const { pool, now, everyMs = EVERY_MS, reputationOf = () => REPUTATION_MAX } = deps
  const words = openOperatorWords(pool)
  const known = new Set<string>()
  let agents: readonly ListedAgent[] = []
  let records: readonly StoredOperator[] = []
  let repeating: Repeating | undefined

  const refresh = async () => {
    const nowMs = now()
    const rows = await readListed(pool, { nowMs, operators: deps.operators })
    const vouched = await words.of(rows, nowMs)
    agents = rows.flatMap(row => {
      const word = vouched.get(row.outpoint)
      // One that does not say it hosts a topic may name anybody's address, and gets its jobs over a connection alone.
      const endpoints = row.advertised.length === 0 ? [] : callable(row.endpoints, deps.allowLocal)
      if (word === undefined || (endpoints.length === 0 && row.subscribed.length === 0)) return []
      const served = endpoints.length > 0 ? [...row.advertised, ...row.subscribed] : row.subscribed
      return {
        agentKey: row.agentKey,
        independence: row.independence,
        word,
        endpoints,
        packetsMax: row.packetsMax,
        bytesMax: row.bytesMax,
        satoshisPerThousandEvents: row.price,
        region: row.region ?? undefined,
        expiresMs: row.expiresMs,
        reachable: row.subscribed.length > 0 || row.failures < UNREACHABLE_AFTER,
        reputation: row.record === null ? REPUTATION_MAX : reputationOf(row.record, nowMs),
        latencyMs: row.record?.latencyMs ?? null,
        stages: stages.filter(stage => row.capabilities.includes(stage) && served.includes(topicOf[stage])),
        isConnected: row.subscribed.length > 0,
        record: row.record,
        health: row.health,
      }
    })
    await noteOperators(agents.map(({ word }) => word.operator))
    records = await readOperators(pool, deps.operators)
  }

  /** Each once, so that an operator is in the order of operators for good. */
  const noteOperators = async (operators: readonly string[]) => {
    const fresh = [...new Set(operators)].filter(operator => !known.has(operator)).sort()
    if (fresh.length === 0) return
    await pool.query({
      name: 'agents-note-operators',
      text: `insert into operators (operator, first_ms, changed_ms)
        select operator, $2, $2 from unnest($1::bytea[]) as seen (operator) order by operator on conflict do nothing`,
      values: [byteas(fresh), now()],
    })
    for (const operator of fresh) known.add(operator)
  }

  const offering = (stage: Stage) =>
    agents.filter(agent => agent.stages.includes(stage) && !hasExpired(agent))
  const hasExpired = ({ expiresMs }: KnownAgent) => expiresMs <= now()

  return {
    agents: offering,
    operators(stage) {
      const there = stage === undefined ? agents.filter(agent => !hasExpired(agent)) : offering(stage)
      const reachable = new Set(there.flatMap(({ reachable, word }) => (reachable ? [word.operator] : [])))
      return records.map(record => ({ ...record, reachable: reachable.has(record.operator) }))
    },
    listed: () => agents,
    refresh,
    wake: () => repeating?.wake(),
    async start() {
      await refresh()
      repeating = repeat(refresh, { everyMs, onFailure: deps.onFailure })
    },
    async stop() {
      await repeating?.stop()
    },
  }
}

const topicOf: Readonly<Record<Stage, string>> = {
  normalize: baseTopics.normalize,
  validate: baseTopics.validate,
  certify: baseTopics.certify,
}

type StoredOperator = Omit<OperatorRecord, 'reachable'>

async function readOperators(pool: Pool, operators: readonly string[]): Promise<StoredOperator[]> {
  const { rows } = await pool.query<StoredOperator>({
    name: 'agents-operators',
    text: `select encode(operator, 'hex') as operator, failure_points as "failurePoints",
        double_spends as "doubleSpends"
      from operators where cardinality($1::bytea[]) = 0 or operator = any ($1) order by operators.operator`,
    values: [operators.map(bytea)],
  })
  return rows
}
