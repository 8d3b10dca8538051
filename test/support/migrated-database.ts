import { type Database, openDatabase } from '../../src/adapters/postgres/database.ts'
import { temporaryDatabase } from './database.ts'
import { silentLog } from './silent-log.ts'

/** A database of the caller's own as a node has it, which is gone once it is closed. */
export async function migratedDatabase(): Promise<Database> {
  const temporary = await temporaryDatabase()
  const database = await openDatabase({ url: temporary.url, log: silentLog, applicationName: 'test' })
  return {
    ...database,
    async close() {
      await database.close()
      await temporary.drop()
    },
  }
}
