import { spawn } from 'node:child_process'
import { realpath } from 'node:fs/promises'
import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { errorCode } from '../../../runtime/error-code.ts'
import { isConnectionLoss } from '../connection-loss.ts'
import { type Cluster, clusterRole, serverEnvironment } from './cluster.ts'
import { freePort, loopback, rememberedPort, rememberPort } from './port.ts'
import { disownPidFile, findPostmaster } from './postmaster.ts'
import { logSettings, openStartLog, pruneLogs, type Said } from './server-log.ts'
import { judgeStartFailure } from './start-failure.ts'

/** A server that answers on our data directory, and a session in it that says that this process needs it. */
export type RunningServer = {
  readonly pid: number
  readonly port: number
  /** It was running already, or another process was first to start it. */
  readonly adopted: boolean
  readonly presence: Presence
}

/** One session per process that uses the server: while it lives, nobody else stops the server. */
export type Presence = {
  readonly client: pg.Client
  readonly lost: Promise<void>
  /** A session alone does not keep the process running, except while it is needed. */
  hold(): void
}

export type StartOptions = {
  readonly settings: Readonly<Record<string, string>>
  /** The port that clients already know: wait for it, rather than take another. */
  readonly port?: number
  readonly startMsMax: number
  readonly signal: AbortSignal
}

/**
 * Looks until a server answers: takes the one that runs, waits for the one that starts or stops, and starts one
 * where there is none. Of processes that do so at once PostgreSQL's own lock lets one through; the others find its server.
 */
export async function startOrAdopt(cluster: Cluster, options: StartOptions): Promise<RunningServer> {
  const deadline = Date.now() + options.startMsMax
  let started: Started | undefined
  let inTheWaySince: number | undefined
  let port = options.port ?? rememberedPort(cluster.home) ?? (await freePort())
  for (;;) {
    options.signal.throwIfAborted()
    const found = findPostmaster(cluster.data)
    if (found.kind === 'running') {
      const presence = found.ready ? await enter(cluster, found.port) : undefined
      if (presence !== undefined) {
        rememberPort(cluster.home, found.port)
        return { pid: found.pid, port: found.port, adopted: found.pid !== started?.pid, presence }
      }
    } else if (started === undefined || started.ended()) {
      if (started !== undefined) {
        const failure = judgeStartFailure(cluster.home, await lastSaid(started))
        if (failure.kind === 'refused') throw failure.error
        if (failure.kind === 'port-taken') port = options.port ?? (await freePort())
        started = undefined
        await sleep(againMs)
      } else if (found.kind === 'stale' && found.isInTheWay) {
        inTheWaySince ??= Date.now()
        if (Date.now() - inTheWaySince > inTheWayMsMin) {
          disownPidFile(cluster.data)
          inTheWaySince = undefined
        }
      } else {
        inTheWaySince = undefined
        started = start(cluster, port, options.settings)
      }
    }
    if (Date.now() > deadline)
      throw new Error(
        `The database in ${cluster.home} did not answer within ${options.startMsMax / 1000} s. It may still be ` +
          `recovering: its log is in ${cluster.logs}. Start again to go on waiting.`,
      )
    await sleep(lookMs)
  }
}

const lookMs = 15
const againMs = 100
// One that was killed is buried by its parent long before.
const inTheWayMsMin = 1000
const enterMsMax = 10_000
const lastWordsMsMax = 2000

/** What sessions are called that say so, and what those of this process are. */
export const presencePrefix = 'assay presence '
export const ownPresence = `${presencePrefix}${process.pid}`

/** The address of a database in the cluster. Without TLS, whatever PGSSLMODE says: it does not leave this machine. */
export function urlOf({ password }: Cluster, port: number, database: string): string {
  return `postgres://${clusterRole}:${password}@${loopback}:${port}/${database}?sslmode=disable`
}

type Started = { readonly pid: number | undefined; ended(): boolean; said(): Said }

/** What a server said that has ended. Its collector of log lines is another process, which may have some to write yet. */
async function lastSaid(started: Started): Promise<string> {
  const deadline = Date.now() + lastWordsMsMax
  for (;;) {
    const { words, whole } = started.said()
    // One that was killed says nothing at its end.
    if (whole || Date.now() > deadline) return words
    await sleep(lookMs)
  }
}

function start(cluster: Cluster, port: number, settings: Readonly<Record<string, string>>): Started {
  pruneLogs(cluster.logs)
  const log = openStartLog(cluster.logs)
  const all = { ...ownSettings(cluster, port), ...settings }
  const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const [command, args] = cluster.user.command(cluster.binaries.postgres, ['-D', cluster.data, ...flags])
  // A session of its own: Ctrl-C in a terminal goes to whole groups of processes, and the database must outlast
  // the node that is putting its work away. Its output is a file, since a pipe would break with us.
  const child = spawn(command, args, {
    cwd: cluster.home,
    env: serverEnvironment(),
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  })
  let failed: Error | undefined
  child.once('error', error => {
    failed = error
  })
  child.unref()
  log.close()
  return {
    pid: child.pid,
    ended: () => failed !== undefined || child.exitCode !== null || child.signalCode !== null,
    said: () => {
      const { words, whole } = log.read(child.pid)
      return { words: `${words}\n${failed?.message ?? ''}`, whole }
    },
  }
}

function ownSettings({ logs }: Cluster, port: number): Record<string, string> {
  return {
    listen_addresses: loopback,
    port: String(port),
    // A socket's path has room for about 100 characters, which a folder of somebody's choice may exceed.
    unix_socket_directories: '',
    lc_messages: 'C',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...logSettings(logs),
    // A killed node's statements end with it, instead of holding their locks to the end.
    ...(process.platform === 'linux' ? { client_connection_check_interval: '1s' } : {}),
  }
}

/** Undefined where the server does not take sessions yet, or no longer. */
async function enter(cluster: Cluster, port: number): Promise<Presence | undefined> {
  const socket = new Socket()
  const client = new pg.Client({
    connectionString: urlOf(cluster, port, 'postgres'),
    application_name: ownPresence,
    connectionTimeoutMillis: enterMsMax,
    keepAlive: true,
    stream: () => socket,
  })
  const lost = new Promise<void>(resolve => {
    client.once('end', resolve)
  })
  // Losing it is what `lost` is about; the event has to be heard, or Node ends the process.
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rows } = await client.query("select current_setting('data_directory') as data")
    if ((await realpath(String(rows[0]?.data))) !== cluster.data)
      throw new Error(
        `Port ${port} is served by a PostgreSQL that works in ${rows[0]?.data}, not in ${cluster.data}.`,
      )
    await makeDatabase(client)
    socket.unref()
    return { client, lost, hold: () => socket.ref() }
  } catch (error) {
    socket.destroy()
    if (isConnectionLoss(error) || errorCode(error) === tooManyConnections) return undefined
    if (errorCode(error) === wrongPassword)
      throw new Error(
        `The database in ${cluster.home} does not accept the password in ${cluster.home}/password. Restore that file, ` +
          'or set DATABASE_URL.',
        { cause: error },
      )
    throw error
  }
}

const [wrongPassword, tooManyConnections, databaseExists, uniqueViolation] = [
  '28P01',
  '53300',
  '42P04',
  '23505',
]

async function makeDatabase(client: pg.Client): Promise<void> {
  const { rowCount } = await client.query('select from pg_database where datname = $1', [clusterRole])
  if (rowCount !== 0) return
  try {
    await client.query(`create database ${clusterRole}`)
  } catch (error) {
    // Another process that started with us has just made it.
    if (![databaseExists, uniqueViolation].includes(errorCode(error) ?? '')) throw error
  }
}
