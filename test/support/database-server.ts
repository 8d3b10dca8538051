import { existsSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { findPostmaster, isAlive } from '../../src/adapters/postgres/embedded/postmaster.ts'
import { type EmbeddedServer, startEmbeddedServer } from '../../src/adapters/postgres/embedded-server.ts'
import { silentLog } from './silent-log.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where to ask for the run's database server. */
    databaseServerPort: number
  }
}

/**
 * One PostgreSQL for a whole run of vitest: this process starts it when the first test file asks (by connecting to
 * a port; the answer is its address), and never where none does. With ASSAY_TEST_DATABASE_URL it is one of yours,
 * in which the tests make databases of their own.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  let server: Promise<EmbeddedServer> | undefined
  const given = process.env['ASSAY_TEST_DATABASE_URL']
  const url = async () => {
    if (given !== undefined) return given
    server ??= start()
    return (await server).url
  }
  const door = createServer(socket => {
    socket.on('error', () => socket.destroy())
    url().then(
      answer => socket.end(answer),
      error => socket.end(`error: ${error}`),
    )
  })
  await new Promise<void>(resolve => door.listen(0, '127.0.0.1', resolve))
  const address = door.address()
  if (address === null || typeof address === 'string') throw new Error('a listening server has a port')
  project.provide('databaseServerPort', address.port)

  return async () => {
    door.close()
    if (server === undefined) return
    await (await server).stop({ evenIfInUse: true })
    rmSync(ownFolder(), { recursive: true, force: true })
  }
}

const folderPrefix = 'assay-test-database-'

/** Nobody misses this one after a power cut. Tests about crashes start servers of their own. */
const carelessSettings = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '200',
}

function start(): Promise<EmbeddedServer> {
  removeLeftovers()
  return startEmbeddedServer({ dataDir: ownFolder(), log: silentLog, settings: carelessSettings })
}

function ownFolder(): string {
  return join(tmpdir(), `${folderPrefix}${process.pid}`)
}

/** Of runs that were killed: PostgreSQL outlives whoever started it. */
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(folderPrefix) ? Number(name.slice(folderPrefix.length)) : Number.NaN
    if (!Number.isInteger(pid) || (isAlive(pid) && pid !== process.pid)) continue
    const folder = join(tmpdir(), name)
    const data = join(folder, 'cluster')
    try {
      const left = existsSync(data) ? findPostmaster(realpathSync(data)) : undefined
      if (left?.kind === 'running') process.kill(left.pid, 'SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    } catch {
      // Another user's: theirs to remove.
    }
  }
}
