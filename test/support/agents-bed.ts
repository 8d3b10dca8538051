import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Pool } from 'pg'
import { openPool } from '../adapters/chain/open-pool.ts'
import { type ChildNode, type ChildSettings, startChildNode } from '../node/child-node.ts'
import { type AgentProcess, startAgentProcess } from './agents-bed/agent-process.ts'
import { type AgentName, agentNames, operatorNames, operatorOf } from './agents-bed/operators.ts'
import { describeRounds, type Progress, readProgress } from './agents-bed/progress.ts'
import { publish } from './agents-bed/publish.ts'
import { temporaryDatabase } from './database.ts'
import { freePort } from './free-port.ts'
import { newDatabase } from './new-database.ts'
import { until } from './until.ts'

/** A node and the agents of three operators, each a process of its own, on a local chain of their own. */
export type AgentsBed = {
  readonly url: string
  readonly databaseUrl: string
  readonly pool: Pool
  readonly folder: string
  readonly agents: ReadonlyMap<AgentName, AgentProcess>
  /** The node process there is now. */
  node(): ChildNode
  /** Another process with the same settings, and at the same address. Resolves once it takes traffic. */
  restartNode(more?: ChildSettings): Promise<void>
  /** The same, where it may end before it is ready. */
  launchNode(more?: ChildSettings): ChildNode
  /** A node beside it, on the same database. */
  anotherNode(more?: ChildSettings & { readonly PORT?: string }): Promise<ChildNode>
  startAgents(names: readonly AgentName[], more?: ChildSettings): Promise<void>
  publish: (...args: DropFirst<Parameters<typeof publish>>) => ReturnType<typeof publish>
  progress(): Promise<Progress>
  /** Resolves once every event in the log is in a packet whose certificate the network has. */
  allAnchored(): Promise<void>
  /** What is known of rounds and what the processes have said, for a test that fails. */
  describe(): Promise<string>
  stop(): Promise<void>
}

type DropFirst<T extends readonly unknown[]> = T extends readonly [unknown, ...infer Rest] ? Rest : never

export type AgentsBedOptions = {
  /** Of the node. */
  readonly settings?: ChildSettings
  /** Of every agent. */
  readonly agentSettings?: ChildSettings
  /** Of the command that starts each of them. */
  readonly agentOptions?: readonly string[]
  /** Of those that are not ours: what node is called with. */
  readonly programs?: { readonly [name in AgentName]?: readonly string[] }
  /** These are not started: a test plays them itself, or nobody does. */
  readonly absent?: readonly AgentName[]
  /** Of events; each has a stream of its own name. */
  readonly sources?: readonly object[]
  /** A PostgreSQL of the caller's own, instead of the one that all tests share. */
  readonly server?: string
}

export const bedSource = 'bed'

export async function agentsBed(options: AgentsBedOptions = {}): Promise<AgentsBed> {
  const {
    settings = {},
    agentSettings = {},
    agentOptions,
    programs = {},
    absent = [],
    sources = [],
  } = options
  const folder = await mkdtemp(path.join(tmpdir(), 'assay-agents-'))
  const { server } = options
  const database = server === undefined ? await temporaryDatabase() : await newDatabase(server)
  const pool = openPool(database.url)
  const nodeSettings = {
    DATABASE_URL: database.url,
    ASSAY_DATA_DIR: path.join(folder, 'node'),
    ASSAY_MASTER_KEY: '11'.repeat(32),
    PORT: String(await freePort()),
    LOCAL_BLOCK_MS: '200',
    EVENT_BUFFER_MS: '50',
    ROUND_MS: '50',
    EVENT_OPERATORS: operatorNames.map(name => operatorOf(name).identityKey).join(','),
    INGEST_SOURCES_JSON: JSON.stringify([
      { id: bedSource, type: 'webhook', shape: 'overlay', streams: [bedSource] },
      ...sources,
    ]),
    ...settings,
  }
  const nodes: ChildNode[] = []
  const launch = (more: ChildSettings & { readonly PORT?: string } = {}): ChildNode => {
    const node = startChildNode({ ...nodeSettings, ...more })
    nodes.push(node)
    return node
  }
  let node = launch()
  const agents = new Map<AgentName, AgentProcess>()
  const bed: AgentsBed = {
    url: node.url,
    databaseUrl: database.url,
    pool,
    folder,
    agents,
    node: () => node,
    launchNode(more) {
      node = launch(more)
      return node
    },
    async restartNode(more) {
      node = launch(more)
      await node.ready()
    },
    async anotherNode(more = {}) {
      const other = launch({ PORT: String(await freePort()), ...more })
      await other.ready()
      return other
    },
    async startAgents(names, more = {}) {
      for (const name of names) {
        const command = { options: agentOptions, program: programs[name] }
        const settings = { ...agentSettings, ...more }
        agents.set(name, await startAgentProcess(name, folder, [node.url], settings, command))
      }
      await until(async () => {
        for (const { name, child } of agents.values())
          if (child().hasExited()) throw new Error(`${name} ended before it was found:\n${child().said()}`)
        return (await countAdverts(pool)) >= agents.size
      })
    },
    publish: (...args) => publish(node.url, ...args),
    progress: () => readProgress(pool),
    async allAnchored() {
      await until(async () => {
        const { events, anchored } = await readProgress(pool)
        return anchored === events
      })
    },
    async describe() {
      const said = [
        ...nodes.map(each => each.said()),
        ...[...agents.values()].map(each => each.child().said()),
      ]
      const rounds = await describeRounds(pool).catch(error => `${error}`)
      return [rounds, ...said.filter(text => text !== '')].join('\n---\n')
    },
    async stop() {
      for (const agent of agents.values()) await agent.child().kill()
      for (const each of nodes) await each.kill()
      await pool.end()
      await database.drop()
      await rm(folder, { recursive: true, force: true })
    },
  }
  try {
    await node.ready()
    await bed.startAgents(agentNames.filter(name => !absent.includes(name)))
  } catch (error) {
    const said = await bed.describe()
    await bed.stop()
    throw new Error(`the bed did not come up: ${said}`, { cause: error })
  }
  return bed
}

/** Agents that have a current advert. */
async function countAdverts(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `select count(distinct agent_key)::int as count from gitdata_agents`,
  )
  return rows[0]?.count ?? 0
}
