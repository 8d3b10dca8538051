import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { type Database, openDatabase } from '../../src/adapters/postgres/database.ts'
import {
  type ContentStore,
  type ContentStoreBounds,
  openContentStore,
} from '../../src/adapters/uhrp/content-store.ts'
import { type SweepBounds, type Swept, sweep, sweepBounds } from '../../src/adapters/uhrp/sweep.ts'
import { temporaryDatabase } from './database.ts'
import { silentLog } from './silent-log.ts'

/** A content store with a database, a folder and a clock of its own. */
export type UhrpBed = {
  readonly database: Database
  readonly databaseUrl: string
  readonly directory: string
  readonly store: ContentStore
  readonly troubles: string[]
  now(): number
  /** Lets time pass, for the store and not for files. */
  pass(ms: number): void
  /** A whole sweep; what it did, in order. */
  sweep(bounds?: Partial<SweepBounds>): Promise<[Swept, string][]>
  /** Every file under the folder, with whether it is what its name says. */
  files(): Promise<{ path: string; isWhole: boolean }[]>
  /** As it was in the beginning. */
  clear(): Promise<void>
  close(): Promise<void>
}

export const storeBounds: ContentStoreBounds = { objectBytesMax: 1024 * 1024 * 1024, freeBytesMin: 0 }

export async function uhrpBed(bounds: Partial<ContentStoreBounds> = {}): Promise<UhrpBed> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'assay-uhrp-'))
  const temporary = await temporaryDatabase()
  const database = await openDatabase({ url: temporary.url, log: silentLog, applicationName: 'test' })
  let passedMs = 0
  const now = () => Date.now() + passedMs
  const troubles: string[] = []
  const store = await openContentStore({
    pool: database.pool,
    directory,
    bounds: { ...storeBounds, ...bounds },
    now,
    onTrouble: (sha256, trouble) => void troubles.push(`${trouble} ${sha256}`),
  })
  return {
    database,
    databaseUrl: temporary.url,
    directory,
    store,
    troubles,
    now,
    pass(ms) {
      passedMs += ms
    },
    async sweep(more = {}) {
      const done: [Swept, string][] = []
      const { pool } = database
      await sweep({
        pool,
        folder: store.folder,
        bounds: { ...sweepBounds, ...more },
        now,
        onSwept: (what, sha256) => void done.push([what, sha256]),
      })
      return done
    },
    files: () => filesIn(directory),
    async clear() {
      passedMs = 0
      troubles.length = 0
      await database.pool.query(
        'truncate uhrp_own_adverts, uhrp_read_tickets, uhrp_upload_urls, uhrp_retentions, uhrp_objects',
      )
      await rm(store.folder.root, { recursive: true, force: true })
    },
    async close() {
      await database.close()
      await temporary.drop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export async function filesIn(directory: string): Promise<{ path: string; isWhole: boolean }[]> {
  const all = await readdir(directory, { recursive: true, withFileTypes: true })
  return Promise.all(
    all
      .filter(each => each.isFile())
      .map(async each => {
        const at = path.join(each.parentPath, each.name)
        const hash = createHash('sha256').update(await readFile(at))
        return { path: path.relative(directory, at), isWhole: hash.digest('hex') === each.name }
      }),
  )
}
