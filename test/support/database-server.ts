import { existsSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { migrations } from '../../migrations/index.ts'
import { openDatabase } from '../../src/adapters/postgres/database.ts'
import { findPostmaster, isAlive } from '../../src/adapters/postgres/embedded/postmaster.ts'
import { startEmbeddedServer } from '../../src/adapters/postgres/embedded-server.ts'
import { migrate } from '../../src/adapters/postgres/migrate.ts'
import type { SharedServer } from './database.ts'
import { newDatabase } from './new-database.ts'
import { silentLog } from './silent-log.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where to ask for the run's database server. */
    databaseServerPort: number
  }
}

/**
 * One PostgreSQL for a whole run of vitest: this process starts it when the first test file asks (by connecting to
 * a port; the answer is its address, and a database to copy, so that migrations run once), and never where none does.
 * With ASSAY_TEST_DATABASE_URL it is one of yours, in which the tests make databases of their own.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  let server: Promise<TestServer> | undefined
  const door = createServer(socket => {
    socket.on('error', () => socket.destroy())
    server ??= start(process.env['ASSAY_TEST_DATABASE_URL'])
    const answer = (said: SharedServer | { error: string }) => socket.end(JSON.stringify(said))
    server.then(
      ({ shared }) => answer(shared),
      error => answer({ error: String(error) }),
    )
  })
  await new Promise<void>(resolve => door.listen(0, '127.0.0.1', resolve))
  const address = door.address()
  if (address === null || typeof address === 'string') throw new Error('a listening server has a port')
  project.provide('databaseServerPort', address.port)

  return async () => {
    door.close()
    await (await server)?.stop()
  }
}

type TestServer = { readonly shared: SharedServer; stop(): Promise<void> }

async function start(given: string | undefined): Promise<TestServer> {
  if (given !== undefined) return withMigrated(given, async () => undefined)
  removeLeftovers()
  const server = await startEmbeddedServer({
    dataDir: ownFolder(),
    log: silentLog,
    settings: carelessSettings,
  })
  return withMigrated(server.url, async () => {
    await server.stop({ evenIfInUse: true })
    rmSync(ownFolder(), { recursive: true, force: true })
  })
}

async function withMigrated(url: string, stopServer: () => Promise<void>): Promise<TestServer> {
  const temporary = await newDatabase(url)
  const stop = async () => {
    await temporary.drop()
    await stopServer()
  }
  try {
    const database = await openDatabase({ url: temporary.url, log: silentLog, applicationName: 'test' })
    await migrate(database, migrations).finally(() => database.close())
    return { shared: { url, migrated: new URL(temporary.url).pathname.slice(1) }, stop }
  } catch (error) {
    await stop()
    throw error
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
