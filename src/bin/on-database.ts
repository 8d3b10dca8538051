import { migrations } from '../../migrations/index.ts'
import { reindex } from '../adapters/overlay/reindex.ts'
import type { Database } from '../adapters/postgres/database.ts'
import { migrate } from '../adapters/postgres/migrate.ts'
import { rebuildProjections } from '../adapters/projections/rebuild.ts'
import { hostedTopics } from '../node/hosted-topics.ts'
import { openNodeDatabase } from '../node/node-database.ts'
import { openLog } from '../runtime/log.ts'
import { readSettings } from '../runtime/settings.ts'
import { openStops } from '../runtime/stops.ts'
import { explain } from './explain.ts'

export async function migrateDatabase(): Promise<number> {
  return onDatabase(async database => {
    const applied = await migrate(database, migrations)
    console.log(
      applied.length === 0 ? 'nothing to do: the database is up to date' : `applied ${applied.join(', ')}`,
    )
  })
}

/** What is read off the log of events, beside the lookup services. */
const PROJECTIONS = 'projections'

/** Everything, or what is named. */
export async function reindexDatabase(names: readonly string[]): Promise<number> {
  return onDatabase(async database => {
    await migrate(database, migrations)
    const { services } = hostedTopics(database)
    const unknown = names.find(name => name !== PROJECTIONS && !Object.hasOwn(services, name))
    if (unknown !== undefined)
      throw new Error(
        `there is no index "${unknown}". There are: ${[PROJECTIONS, ...Object.keys(services)].join(', ')}.`,
      )
    const isAsked = (name: string) => names.length === 0 || names.includes(name)
    if (isAsked(PROJECTIONS)) {
      const { events, removed } = await rebuildProjections(database, Date.now)
      console.log(`${PROJECTIONS}: ${events} events${removed > 0 ? `; ${removed} rows of none removed` : ''}`)
    }
    for (const [name, service] of Object.entries(services))
      if (isAsked(name)) console.log(`${name}: ${await reindex(service, database.pool)} outputs`)
  })
}

async function onDatabase(work: (database: Database) => Promise<void>): Promise<number> {
  const log = openLog('warn', process.stderr)
  const stops = openStops(log)
  try {
    await work(await openNodeDatabase(readSettings(process.env), log, stops))
    return 0
  } catch (error) {
    console.error(`assay: ${explain(error)}`)
    return 1
  } finally {
    await stops.run()
  }
}
