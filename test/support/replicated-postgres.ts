import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { findBinaries } from '../../src/adapters/postgres/embedded/binaries.ts'
import {
  type Cluster,
  clusterRole,
  openCluster,
  serverEnvironment,
} from '../../src/adapters/postgres/embedded/cluster.ts'
import { urlOf } from '../../src/adapters/postgres/embedded/start-or-adopt.ts'
import { freePort } from './free-port.ts'
import { type MovableAddress, movableAddress } from './movable-address.ts'
import { until } from './until.ts'

/** A primary and a synchronous standby, behind one address that stands for the primary. */
export type ReplicatedPostgres = {
  readonly address: MovableAddress
  /** At that address. */
  readonly url: string
  killPrimary(): Promise<void>
  /** The standby takes statements that write when it resolves; the address still stands for the primary. */
  promote(): Promise<{ readonly port: number }>
  end(): Promise<void>
}

export async function replicatedPostgres(): Promise<ReplicatedPostgres> {
  const home = mkdtempSync(path.join(tmpdir(), 'assay-replicated-'))
  const cluster = await openCluster(home, { binaries: await findBinaries() })
  const standbyData = path.join(home, 'standby')
  const servers: ChildProcess[] = []
  const start = async (data: string, settings: Readonly<Record<string, string>> = {}) => {
    const port = await freePort()
    const server = startServer(cluster, data, port, settings)
    servers.push(server)
    await until(() => answers(cluster, port, server))
    return { port, server }
  }

  const primary = await start(cluster.data, { wal_keep_size: '512MB' })
  await copyWhileRunning(cluster, primary.port, standbyData)
  const from = `host=127.0.0.1 port=${primary.port} user=${clusterRole} password=${cluster.password} application_name=standby`
  const standby = await start(standbyData, { primary_conninfo: from })
  await ask(
    cluster,
    primary.port,
    `alter system set synchronous_standby_names = 'standby'`,
    'select pg_reload_conf()',
  )
  await until(async () => {
    const [row] = await ask(cluster, primary.port, 'select sync_state as state from pg_stat_replication')
    return row?.['state'] === 'sync'
  })

  const address = await movableAddress(primary.port)
  return {
    address,
    url: address.at(urlOf(cluster, primary.port, 'postgres')),
    killPrimary: () => kill(primary.server),
    async promote() {
      await ask(cluster, standby.port, 'select pg_promote()')
      return { port: standby.port }
    },
    async end() {
      await address.close()
      for (const server of servers) await kill(server)
      rmSync(home, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

function startServer(
  cluster: Cluster,
  data: string,
  port: number,
  settings: Readonly<Record<string, string>>,
): ChildProcess {
  const all = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    lc_messages: 'C',
    ...settings,
  }
  const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const [command, args] = cluster.user.command(cluster.binaries.postgres, ['-D', data, ...flags])
  const log = openSync(path.join(cluster.logs, `${path.basename(data)}.log`), 'a', 0o600)
  return spawn(command, args, { cwd: cluster.home, env: serverEnvironment(), stdio: ['ignore', log, log] })
}

/** The base of a standby, as any tool for backups makes it. Not for a server that is busy: what vanishes meanwhile would be missed. */
async function copyWhileRunning(cluster: Cluster, port: number, to: string): Promise<void> {
  const client = new pg.Client(urlOf(cluster, port, 'postgres'))
  await client.connect()
  try {
    await client.query(`select pg_backup_start('standby', fast => true)`)
    cpSync(cluster.data, to, { recursive: true, preserveTimestamps: true, filter: isForStandby })
    mkdirSync(path.join(to, 'pg_wal', 'archive_status'), { recursive: true, mode: 0o700 })
    const { rows } = await client.query<{ label: string }>(
      'select labelfile as label from pg_backup_stop(wait_for_archive => false)',
    )
    writeFileSync(path.join(to, 'backup_label'), rows[0]?.label ?? '')
    writeFileSync(path.join(to, 'standby.signal'), '')
  } finally {
    await client.end()
  }
  await cluster.user.own(to)
}

/** The log comes from the primary. */
function isForStandby(file: string): boolean {
  return !/\/(?:postmaster\.(?:pid|opts)|pg_wal\/.+)$/.test(file)
}

async function answers(cluster: Cluster, port: number, server: ChildProcess): Promise<boolean> {
  if (server.exitCode !== null) throw new Error(`PostgreSQL ended at once; see ${cluster.logs}`)
  return ask(cluster, port, 'select').then(
    () => true,
    () => false,
  )
}

async function ask(
  cluster: Cluster,
  port: number,
  ...statements: string[]
): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(urlOf(cluster, port, 'postgres'))
  client.on('error', () => undefined)
  await client.connect()
  try {
    let rows: Record<string, unknown>[] = []
    for (const statement of statements) ({ rows } = await client.query(statement))
    return rows
  } finally {
    await client.end()
  }
}

async function kill(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  server.kill('SIGKILL')
  await once(server, 'exit')
}
