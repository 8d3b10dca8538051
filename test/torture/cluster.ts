import { realpathSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { Pool } from 'pg'
import { findPostmaster } from '../../src/adapters/postgres/embedded/postmaster.ts'
import { type EmbeddedServer, startEmbeddedServer } from '../../src/adapters/postgres/embedded-server.ts'
import { openPool } from '../adapters/chain/open-pool.ts'
import { type ChildSettings, isReady, startChild } from '../node/child-node.ts'
import {
  type AgentName,
  agentNames,
  operatorNames,
  operatorOf,
  partsOf,
  writeAgentFiles,
} from '../support/agents-bed/operators.ts'
import { freePort } from '../support/free-port.ts'
import { silentLog } from '../support/silent-log.ts'
import { type Disk, openDisk } from './disk.ts'
import { type Link, openLink } from './link.ts'
import { type Member, openMember } from './member.ts'
import { signalFamily } from './signal-family.ts'
import { sources } from './traffic.ts'
import { within } from './within.ts'

/** Two nodes on one PostgreSQL, nine agents of three operators, and the links between them and to everybody else. */
export type Cluster = {
  readonly folder: string
  readonly disk: Disk
  readonly databaseUrl: string
  readonly pool: Pool
  readonly nodes: readonly Member[]
  /** Of each node, past all links. */
  readonly nodeUrls: readonly string[]
  /** Of commands that look at what nodes stand on. */
  readonly nodeSettings: ChildSettings
  readonly agents: ReadonlyMap<AgentName, Member>
  /** By who is at both ends: `publishers - node 0`, `agents - node 1`, `nodes - north/normalize`. */
  readonly links: ReadonlyMap<string, Link>
  readonly postgres: { kill(): void; pause(): void; resume(): void }
  /** What ended and should not have. */
  readonly unasked: readonly string[]
  said(): string
  stop(): Promise<void>
}

export const nodeNames = ['node 0', 'node 1'] as const
export const adminToken = 'whoever-looks-after-this-cluster'

/** Short, so that whoever was killed is not waited for long. */
const paces = {
  ...{ LOCAL_BLOCK_MS: '500', EVENT_BUFFER_MS: '50', ROUND_MS: '500', EVENT_PROCESSING_TIMEOUT_MS: '20000' },
  ...{ INGEST_BACKOFF_BASE_MS: '50', INGEST_RETRY_MAX: '12', EVENT_STREAM_HEARTBEAT_INTERVAL_MS: '2000' },
}
const READY_MS_MAX = 90_000

/** `program` is what node is called with for `assay`: the build, or a copy of it with a fault planted. */
export async function startCluster(folder: string, program: readonly string[]): Promise<Cluster> {
  const stops: (() => unknown)[] = []
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) await each()
  }
  try {
    return await start(folder, program, stops, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

async function start(
  folder: string,
  program: readonly string[],
  stops: (() => unknown)[],
  stop: () => Promise<void>,
): Promise<Cluster> {
  await mkdir(path.join(folder, 'agents'), { recursive: true })
  const disk = openDisk(path.join(folder, 'disk'))
  stops.push(() => disk.remove())
  const dataDir = path.join(disk.folder, 'postgres')
  const settings = { max_connections: '200', max_wal_size: '256MB' }
  const server: EmbeddedServer = await startEmbeddedServer({ dataDir, log: silentLog, settings })
  stops.push(() => server.stop({ evenIfInUse: true }))
  const pool = openPool(server.url)
  stops.push(() => pool.end())

  const unasked: string[] = []
  const onUnasked = (why: string) => void unasked.push(why)
  const links = new Map<string, Link>()
  const link = async (name: string, port: number) => {
    const opened = await openLink(port)
    stops.push(() => opened.close())
    links.set(name, opened)
    return opened.url
  }
  const nodeSettings = {
    ...paces,
    DATABASE_URL: server.url,
    ASSAY_DATA_DIR: path.join(disk.folder, 'node'),
    ASSAY_MASTER_KEY: '11'.repeat(32),
    ADMIN_TOKEN: adminToken,
    LOCAL_CHAIN_CONTROL: 'true',
    EVENT_OPERATORS: operatorNames.map(name => operatorOf(name).identityKey).join(','),
    INGEST_SOURCES_JSON: JSON.stringify(sources),
  }
  const nodes: Member[] = []
  const nodeUrls: string[] = []
  const nodesForAgents: string[] = []
  for (const name of nodeNames) {
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const node = openMember({
      name,
      launch: more => startChild(['node'], { ...nodeSettings, PORT: String(port), ...more }, program),
      ready: child =>
        within(READY_MS_MAX, async () => child.hasExited() || (await isReady(url)), `${name} to be ready`),
      notYet: /the node does not start: .*(database|postmaster)/i,
      onUnasked,
    })
    stops.push(() => node.kill())
    for (const who of ['publishers', 'readers']) await link(`${who} - ${name}`, port)
    nodesForAgents.push(await link(`agents - ${name}`, port))
    nodes.push(node)
    nodeUrls.push(url)
    // One after the other: the first makes the database.
    await node.start()
  }

  const agents = new Map<AgentName, Member>()
  for (const name of agentNames) {
    const { keyFile, operatorFile } = await writeAgentFiles(path.join(folder, 'agents'), name)
    const port = await freePort()
    const own = {
      ...{ AGENT_HOST: '127.0.0.1', AGENT_PORT: String(port), AGENT_NODES: nodesForAgents.join(',') },
      AGENT_PUBLIC_URL: await link(`nodes - ${name}`, port),
      ...{ AGENT_KEY_FILE: keyFile, AGENT_OPERATOR_FILE: operatorFile },
    }
    const agent = openMember({
      name,
      launch: more => startChild(['agent', partsOf(name).stage], { ...own, ...more }, program),
      // An agent is known by its advert, which is waited for once for all of them.
      ready: async () => undefined,
      onUnasked,
    })
    stops.push(() => agent.kill())
    agents.set(name, agent)
    await agent.start()
  }
  await within(
    READY_MS_MAX,
    async () => unasked.length > 0 || (await countAdverts(pool)) >= agents.size,
    'the agents to be known',
  )
  if (unasked.length > 0) throw new Error(unasked.join('\n'))

  const postmaster = () => {
    const found = findPostmaster(realpathSync(path.join(dataDir, 'cluster')))
    return found.kind === 'running' ? found.pid : undefined
  }
  const signalPostgres = (signal: NodeJS.Signals) => {
    const pid = postmaster()
    if (pid !== undefined) signalFamily(pid, signal)
  }
  return {
    ...{
      folder,
      disk,
      databaseUrl: server.url,
      pool,
      nodes,
      nodeUrls,
      nodeSettings,
      agents,
      links,
      unasked,
      stop,
    },
    postgres: {
      kill() {
        const pid = postmaster()
        if (pid !== undefined) process.kill(pid, 'SIGKILL')
      },
      pause: () => signalPostgres('SIGSTOP'),
      resume: () => signalPostgres('SIGCONT'),
    },
    said: () => [...nodes, ...agents.values()].map(each => `===== ${each.name}\n${each.said()}`).join('\n'),
  }
}

async function countAdverts(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `select count(distinct agent_key)::int as count from gitdata_agents`,
  )
  return rows[0]?.count ?? 0
}
