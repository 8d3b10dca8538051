import { randomBytes } from 'node:crypto'
import path from 'node:path'
import pg from 'pg'
import { startEmbeddedServer } from '../../src/adapters/postgres/embedded-server.ts'
import { openLog } from '../../src/runtime/log.ts'

/** The server that ASSAY_BENCH_DATABASE_URL names, or one of our own, as durable as a node's. */
export async function benchServer(folder: string): Promise<{ url: string; stop(): Promise<unknown> }> {
  const given = process.env['ASSAY_BENCH_DATABASE_URL']
  if (given !== undefined && given !== '') return { url: given, stop: async () => undefined }
  const server = await startEmbeddedServer({ dataDir: path.join(folder, 'postgres'), log: openLog('warn') })
  return { url: server.url, stop: () => server.stop() }
}

/** An empty database; `server` is of any database there whose user may create others. */
export async function benchDatabase(server: string): Promise<{ url: string; drop(): Promise<unknown> }> {
  const name = `assay_bench_${randomBytes(8).toString('hex')}`
  await run(server, `create database ${name} template template0 encoding 'UTF8'`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return { url: url.href, drop: () => run(server, `drop database if exists ${name} with (force)`) }
}

async function run(server: string, sql: string): Promise<void> {
  const client = new pg.Client(server)
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
