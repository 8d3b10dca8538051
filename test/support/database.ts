import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { inject } from 'vitest'
import * as z from 'zod'
import { newDatabase, run, type TemporaryDatabase } from './new-database.ts'

/** A database of the caller's own as a node has it, every migration applied, on the server that all test files share. */
export async function temporaryDatabase(): Promise<TemporaryDatabase> {
  const { url, migrated } = await sharedServer()
  const database = await newDatabase(url, migrated)
  await run(database.url, drawnAtMigration)
  return database
}

/** The same without anything in it. */
export async function emptyDatabase(): Promise<TemporaryDatabase> {
  return newDatabase((await sharedServer()).url)
}

/** What migrations draw by lot, so that no two databases have the same: a copy draws again. */
const drawnAtMigration = `
  update uhrp_store set id = replace(gen_random_uuid()::text, '-', '');
  update sync_feed set name = gen_random_uuid()`

export type SharedServer = {
  readonly url: string
  /** The name of a database there, to be copied. */
  readonly migrated: string
}

async function sharedServer(): Promise<SharedServer> {
  const answer = answers.parse(JSON.parse(await text(connect(inject('databaseServerPort'), '127.0.0.1'))))
  if ('error' in answer) throw new Error(`There is no database server for tests: ${answer.error}`)
  return answer
}

const answers = z.union([
  z.object({ url: z.string(), migrated: z.string() }),
  z.object({ error: z.string() }),
])
