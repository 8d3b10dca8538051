import { randomBytes } from 'node:crypto'
import pg from 'pg'

export type TemporaryDatabase = {
  readonly url: string
  /** Also under whatever is still connected. */
  drop(): Promise<void>
}

/** Without a name of another database to copy it is empty. Nobody may be connected to what is copied. */
export async function newDatabase(server: string, copyOf?: string): Promise<TemporaryDatabase> {
  const name = `t_${randomBytes(8).toString('hex')}`
  const from = copyOf ?? `template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'`
  await run(server, `create database ${name} template ${from}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return { url: url.href, drop: () => run(server, `drop database if exists ${name} with (force)`) }
}

export async function run(server: string, sql: string): Promise<void> {
  const client = new pg.Client(server)
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
