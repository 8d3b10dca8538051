import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { RealComponent } from '../support/real-component.ts'

const binaries = debianBinaries()

export const postgresql: RealComponent = {
  name: 'postgresql',
  available: binaries !== undefined,
  howToGet: 'Install it with: apt-get install postgresql.',
}

export type ScratchServer = { readonly pool: pg.Pool; stop(): Promise<void> }

/** A PostgreSQL of this test file's own, empty; nothing is left of it after `stop`. */
export async function startScratchServer(): Promise<ScratchServer> {
  if (binaries === undefined) throw new Error(postgresql.howToGet)
  const folder = mkdtempSync(join(tmpdir(), 'assay-scratch-'))
  // The server refuses root, and its own user must reach the folder.
  const user = process.getuid?.() === 0 ? idsOf('postgres') : {}
  chmodSync(folder, 0o777)
  const data = join(folder, 'data')
  execFileSync(
    join(binaries, 'initdb'),
    ['-D', data, '-U', 'app', '--auth=trust', '-E', 'UTF8', '--locale=C', '-N'],
    {
      ...user,
      cwd: '/',
      stdio: 'ignore',
    },
  )
  const port = await freePort()
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off']
  const args = ['-D', data, '-p', String(port), ...settings.flatMap(setting => ['-c', setting])]
  const server = spawn(join(binaries, 'postgres'), args, {
    ...user,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  await ready(server)
  const pool = new pg.Pool({ host: '127.0.0.1', port, user: 'app', database: 'postgres', max: 4 })
  return {
    pool,
    async stop() {
      await pool.end()
      const gone = new Promise(resolve => server.once('exit', resolve))
      server.kill('SIGINT')
      await gone
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function ready(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let log = ''
    server.once('error', reject)
    server.once('exit', code => reject(new Error(`postgres exited with ${code}:\n${log}`)))
    server.stderr?.on('data', (chunk: Buffer) => {
      log += chunk
      if (log.includes('ready to accept connections')) resolve()
    })
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      probe.close(() => resolve(port))
    })
  })
}

function idsOf(name: string) {
  const id = (flag: string) => Number(execFileSync('id', [flag, name]))
  return { uid: id('-u'), gid: id('-g') }
}

function debianBinaries(): string | undefined {
  const versions = '/usr/lib/postgresql'
  if (!existsSync(versions)) return undefined
  return readdirSync(versions)
    .map(version => join(versions, version, 'bin'))
    .find(folder => existsSync(join(folder, 'postgres')))
}
