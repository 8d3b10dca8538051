import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import { inject } from 'vitest'

export type TemporaryDatabase = {
  readonly url: string
  /** Also under whatever is still connected. */
  drop(): Promise<void>
}

/** An empty database of the caller's own, on the server that all test files of a run share. */
export async function temporaryDatabase(): Promise<TemporaryDatabase> {
  return databaseOn(await sharedServer())
}

/** The same on a server of the caller's choice; `url` is of any database there whose user may create others. */
export async function databaseOn(server: string): Promise<TemporaryDatabase> {
  const name = `t_${randomBytes(8).toString('hex')}`
  await run(server, `create database ${name} template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return { url: url.href, drop: () => run(server, `drop database if exists ${name} with (force)`) }
}

async function sharedServer(): Promise<string> {
  const answer = await text(connect(inject('databaseServerPort'), '127.0.0.1'))
  if (!answer.startsWith('postgres')) throw new Error(`There is no database server for tests: ${answer}`)
  return answer
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
