import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findPostmaster, isAlive } from '../../src/adapters/postgres/embedded/postmaster.ts'
import { type EmbeddedServer, startEmbeddedServer } from '../../src/adapters/postgres/embedded-server.ts'
import { freePort } from '../support/free-port.ts'
import { silentLog } from '../support/silent-log.ts'
import { until } from '../support/until.ts'
import { type Child, type ChildNode, type ChildSettings, startChild, startChildNode } from './child-node.ts'

/** A data directory, and the processes that work in it. */
export type NodeHome = {
  readonly dataDir: string
  /** A node at the same address each time. */
  start(more?: ChildSettings): ChildNode
  run(...args: readonly string[]): Child
  /** The pid of its PostgreSQL, where one runs. */
  postmaster(): number | undefined
  /** Runs `work` beside whoever else uses the database, and goes again. */
  withDatabase<T>(work: (url: string) => Promise<T>): Promise<T>
  /** Ends every process that was started here, and removes all they wrote. */
  remove(): Promise<void>
}

export async function nodeHome(settings: ChildSettings = {}): Promise<NodeHome> {
  const dataDir = mkdtempSync(join(tmpdir(), 'assay-node-'))
  const port = String(await freePort())
  const own = { ASSAY_DATA_DIR: dataDir, LOCAL_BLOCK_MS: '100', PORT: port, ...settings }
  const children: Child[] = []
  const servers = new Set<EmbeddedServer>()
  const keep = <C extends Child>(child: C): C => {
    children.push(child)
    return child
  }
  const postmaster = () => {
    const cluster = join(dataDir, 'postgres', 'cluster')
    const found = existsSync(cluster) ? findPostmaster(realpathSync(cluster)) : undefined
    return found?.kind === 'running' && found.pid > 0 ? found.pid : undefined
  }
  return {
    dataDir,
    start: more => keep(startChildNode({ ...own, ...more })),
    run: (...args) => keep(startChild(args, own)),
    postmaster,
    async withDatabase(work) {
      const server = await startEmbeddedServer({ dataDir: join(dataDir, 'postgres'), log: silentLog })
      servers.add(server)
      try {
        return await work(server.url)
      } finally {
        await server.stop()
        servers.delete(server)
      }
    },
    async remove() {
      for (const child of children) await child.kill()
      // Of a test that ran out of time; left alone, they would start again what is killed below.
      for (const server of servers) await server.stop({ evenIfInUse: true })
      // A node that was killed while it started one may have left it just before it says its pid.
      const pid = postmaster()
      if (pid !== undefined) {
        process.kill(pid, 'SIGKILL')
        await until(() => !isAlive(pid))
      }
      rmSync(dataDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    },
  }
}
