import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe } from 'vitest'
import { type EmbeddedServer, startEmbeddedServer } from '../../../src/adapters/postgres/embedded-server.ts'
import { emptyDatabase } from '../../support/database.ts'
import { newDatabase, type TemporaryDatabase } from '../../support/new-database.ts'
import { describeWith } from '../../support/real-component.ts'
import { silentLog } from '../../support/silent-log.ts'
import { debianPostgres } from './debian-postgres.ts'

type Given = {
  /** The address of an empty database, dropped after the test. */
  url(): Promise<string>
  /** Has something closed, the youngest first, before the databases go. */
  closing<T extends { close(): Promise<void> }>(opened: T): T
}

/** The same tests on the PostgreSQL that npm brings and on one that this machine has. */
export function describeOnEveryServer(title: string, body: (given: Given) => void): void {
  describe(title, () => body(given(emptyDatabase)))
  describeWith(debianPostgres, `${title}, on this machine's own PostgreSQL`, () => {
    let dataDir: string
    let server: EmbeddedServer
    beforeAll(async () => {
      dataDir = mkdtempSync(join(tmpdir(), 'assay-debian-'))
      const binaries = await debianPostgres.binaries()
      server = await startEmbeddedServer({ dataDir, binaries, log: silentLog, settings: { fsync: 'off' } })
    }, 60_000)
    afterAll(async () => {
      await server.stop({ evenIfInUse: true })
      rmSync(dataDir, { recursive: true, force: true })
    }, 60_000)
    body(given(() => newDatabase(server.url)))
  })
}

function given(temporary: () => Promise<TemporaryDatabase>): Given {
  const dropping: TemporaryDatabase[] = []
  const open: { close(): Promise<void> }[] = []
  afterEach(async () => {
    for (const each of open.splice(0).reverse()) await each.close()
    for (const each of dropping.splice(0)) await each.drop()
  }, 60_000)
  return {
    async url() {
      const database = await temporary()
      dropping.push(database)
      return database.url
    },
    closing(opened) {
      open.push(opened)
      return opened
    },
  }
}
