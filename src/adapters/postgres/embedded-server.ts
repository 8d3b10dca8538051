import path from 'node:path'
import type { Log } from '../../runtime/log.ts'
import { type Binaries, findBinaries } from './embedded/binaries.ts'
import { clusterRole, openCluster } from './embedded/cluster.ts'
import type { RootWay } from './embedded/server-user.ts'
import { startOrAdopt, urlOf } from './embedded/start-or-adopt.ts'
import { type StopAnswer, type StopOptions, supervise, type UnexpectedExit } from './embedded/supervise.ts'

/**
 * A PostgreSQL of our own, from the programs that npm installed.
 *
 * Each process that calls this on one folder gets the same server: whoever is first starts it, the others adopt
 * it, and so does a later process when an earlier one was killed and left it running. Whoever notices that it
 * ended unasked starts it again, at the same address. The last one to stop takes it down.
 */
export async function startEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const { log, settings = {}, startMsMax = startMsMaxDefault } = options
  const cluster = await openCluster(path.resolve(options.dataDir), {
    binaries: options.binaries ?? (await findBinaries()),
    careless: settings['fsync'] === 'off',
    ...(options.rootWays === undefined ? {} : { rootWays: options.rootWays }),
  })
  const start = (signal: AbortSignal, port?: number) =>
    startOrAdopt(cluster, { settings, startMsMax, signal, ...(port === undefined ? {} : { port }) })

  const first = await start(new AbortController().signal)
  const { pid, port, adopted } = first
  log.info(
    { pid, port, dataDir: cluster.home, adopted },
    adopted ? 'PostgreSQL adopted' : 'PostgreSQL started',
  )
  const { stop } = supervise(cluster, first, { log, start, onExit: options.onExit ?? (() => undefined) })
  return { url: urlOf(cluster, port, clusterRole), adopted, stop }
}

/** Recovery after a crash reads what was written since the last checkpoint, which can take minutes. */
export const startMsMaxDefault = 300_000

export type EmbeddedServerOptions = {
  readonly dataDir: string
  readonly log: Log
  /** PostgreSQL's own settings, over ours. With `fsync` off the database does not survive a crash of the machine. */
  readonly settings?: Readonly<Record<string, string>>
  /** Called each time the server ends unasked. */
  readonly onExit?: (exit: UnexpectedExit) => void
  readonly startMsMax?: number
  /** Another PostgreSQL than the one that npm installed. */
  readonly binaries?: Binaries
  /** Where this process is root: how the server may be run as somebody else, best first. */
  readonly rootWays?: readonly RootWay[]
}

export type EmbeddedServer = {
  /** Holds the password: not for logs. */
  readonly url: string
  /** It was running when we came. */
  readonly adopted: boolean
  /**
   * Close your own connections first. Resolves once the server has ended; or at once, with `left-running`, where
   * other processes have sessions in it: the last of them stops it, or the next start adopts it.
   */
  stop(options?: StopOptions): Promise<StopAnswer>
}
