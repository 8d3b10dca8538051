import { openDatabase } from '../../../src/adapters/postgres/database.ts'
import { migrate } from '../../../src/adapters/postgres/migrate.ts'
import { silentLog } from '../../support/silent-log.ts'
import { slowMigrations } from './sample-migrations.ts'

// A process of its own that begins to migrate, says so from inside the second migration, and never finishes it.
const [url = ''] = process.argv.slice(2)
const database = await openDatabase({ url, log: silentLog, applicationName: 'assay test' })
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)
const never = new Promise<void>(() => undefined)
await migrate(
  database,
  slowMigrations(() => say({ pid: process.pid }), never),
)
