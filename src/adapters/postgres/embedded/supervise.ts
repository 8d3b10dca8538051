import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import type { Log } from '../../../runtime/log.ts'
import { pause } from '../../../runtime/pause.ts'
import { isConnectionLoss } from '../connection-loss.ts'
import type { Cluster } from './cluster.ts'
import { findPostmaster, isPostmasterOf } from './postmaster.ts'
import { pruneLogs } from './server-log.ts'
import { ownPresence, presencePrefix, type RunningServer } from './start-or-adopt.ts'
import { signalServer } from './stop-signal.ts'

export type UnexpectedExit = { readonly pid: number; readonly port: number }

export type StopOptions = {
  /** Also under other sessions. Their nodes will start it again. */
  readonly evenIfInUse?: boolean
}

export type StopAnswer = 'stopped' | 'left-running'

type Supervision = {
  readonly log: Log
  start(signal: AbortSignal, port: number): Promise<RunningServer>
  onExit(exit: UnexpectedExit): void
}

/**
 * Keeps the server running until `stop`. Its end shows in our session's end, whoever started it, so a server that
 * was adopted is watched exactly as one of our own.
 */
export function supervise(
  cluster: Cluster,
  first: RunningServer,
  supervision: Supervision,
): { stop(options?: StopOptions): Promise<StopAnswer> } {
  const stopping = new AbortController()
  const pruning = setInterval(() => pruneLogs(cluster.logs), pruneMs).unref()
  let server = first
  let isDown = false
  let stopped: Promise<StopAnswer> | undefined

  const watching = (async () => {
    for (;;) {
      await server.presence.lost
      if (stopping.signal.aborted) return
      isDown = true
      const { pid, port } = server
      const isGone = sayWhy(cluster, server, supervision)
      const again = await restart(supervision, port, stopping.signal)
      if (again === undefined) return
      // It ended its sessions as the last thing it did.
      if (!isGone && again.pid !== pid) sayGone(cluster, server, supervision)
      server = again
      isDown = false
      if (stopping.signal.aborted) return
      supervision.log.info({ pid: again.pid, port, was: pid, adopted: again.adopted }, 'PostgreSQL is back')
    }
  })()

  const stop = async ({ evenIfInUse = false }: StopOptions): Promise<StopAnswer> => {
    stopping.abort()
    clearInterval(pruning)
    let emptyMsMin = isDown ? returningMs : 0
    if (isDown) await watching
    if (isDown) {
      if (findPostmaster(cluster.data).kind !== 'running') return 'stopped'
      // Up again in this very moment, by us or by another process, which may need it.
      server = await supervision.start(new AbortController().signal, server.port)
    }
    server.presence.hold()
    while (!evenIfInUse) {
      const use = await askUse(server.presence.client, supervision.log, emptyMsMin)
      if (use === 'others') {
        await server.presence.client.end()
        return 'left-running'
      }
      if (use === 'nobody' || !recovers(cluster)) break
      server = await supervision.start(new AbortController().signal, server.port)
      server.presence.hold()
      emptyMsMin = returningMs
    }
    await shutDown(cluster, server)
    supervision.log.info({ pid: server.pid }, 'PostgreSQL stopped')
    return 'stopped'
  }
  return {
    stop: (options = {}) => {
      stopped ??= stop(options)
      return stopped
    },
  }
}

/** Whether it is gone, as far as can be seen so early. */
function sayWhy(cluster: Cluster, server: RunningServer, supervision: Supervision): boolean {
  const { pid, port } = server
  const found = findPostmaster(cluster.data)
  if (found.kind === 'running' && found.pid === pid) {
    supervision.log.warn(
      { pid, port, logs: cluster.logs },
      'PostgreSQL ended all sessions; waiting for it to take new ones',
    )
    return false
  }
  sayGone(cluster, server, supervision)
  return true
}

function sayGone(cluster: Cluster, { pid, port }: RunningServer, { log, onExit }: Supervision): void {
  log.error({ pid, port, logs: cluster.logs }, 'PostgreSQL ended unasked; it is started again')
  onExit({ pid, port })
}

const pruneMs = 600_000
const [backOffMs, backOffMsMax] = [100, 10_000]

/** For as long as it takes: a full disk is emptied, a taken port becomes free. Undefined once we are to stop. */
async function restart(
  { log, start }: Supervision,
  port: number,
  signal: AbortSignal,
): Promise<RunningServer | undefined> {
  for (let wait = backOffMs; ; wait = Math.min(2 * wait, backOffMsMax)) {
    try {
      return await start(signal, port)
    } catch (error) {
      if (signal.aborted) return undefined
      log.error({ err: error, nextTryMs: wait }, 'PostgreSQL does not start; trying again')
    }
    await pause(wait, signal)
    if (signal.aborted) return undefined
  }
}

// A session that was closed, or whose process was killed, is on the list for a moment longer. Where another process
// says that it needs the server there is little to wait for: it will see to the rest.
const [partingMs, partingMsBesideOthers, partingLookMs] = [2_000, 250, 20]

/** After a crash of the server everybody's session is gone, and those who need it are on their way back. */
const returningMs = 2_000

/** Its sessions ended, and it did not: one of its processes was killed, and it will take sessions again. */
function recovers(cluster: Cluster): boolean {
  const found = findPostmaster(cluster.data)
  return found.kind === 'running' && !found.stopping
}

/**
 * Whether sessions of others are left. Asked under a lock, so that of two processes that stop at once the second
 * sees that the first is gone, and they do not each leave the server to the other.
 */
async function askUse(
  client: pg.Client,
  log: Log,
  emptyMsMin: number,
): Promise<'others' | 'nobody' | 'lost'> {
  try {
    await client.query("select pg_advisory_lock(hashtextextended('assay: stop the server', 0))")
    for (const since = Date.now(); ; await sleep(partingLookMs)) {
      const { rows } = await client.query(
        `select application_name as name, count(*)::int as sessions from pg_stat_activity
         where backend_type = 'client backend' and pid <> pg_backend_pid() group by 1 order by 1`,
      )
      const waitedMs = Date.now() - since
      if (rows.length === 0) {
        if (waitedMs >= emptyMsMin) return 'nobody'
        continue
      }
      // One of our own is on its way out: of an attempt to come in that failed.
      const isShared = rows.some(({ name }) => name.startsWith(presencePrefix) && name !== ownPresence)
      if (waitedMs < (isShared ? partingMsBesideOthers : partingMs)) continue
      log.info({ sessions: rows }, 'PostgreSQL is left running: others use it')
      return 'others'
    }
  } catch (error) {
    if (isConnectionLoss(error)) return 'lost'
    throw error
  }
}

const manners = [
  { manner: 'fast', msMax: 60_000 },
  { manner: 'immediate', msMax: 10_000 },
] as const
const lookMs = 10

/** A fast shutdown writes everything out. One that takes too long is cut short: recovery does the rest next time. */
async function shutDown(cluster: Cluster, { pid, presence }: RunningServer): Promise<void> {
  const parted = presence.client.end().catch(() => undefined)
  for (const { manner, msMax } of manners) {
    if (!isPostmasterOf(cluster.data, pid)) break
    signalServer(cluster, pid, manner)
    for (const deadline = Date.now() + msMax; isPostmasterOf(cluster.data, pid) && Date.now() < deadline; )
      await sleep(lookMs)
  }
  if (isPostmasterOf(cluster.data, pid))
    throw new Error(`PostgreSQL (process ${pid}) does not end; its log is in ${cluster.logs}.`)
  await parted
}
