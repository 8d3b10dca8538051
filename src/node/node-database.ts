import path from 'node:path'
import { type Database, openDatabase } from '../adapters/postgres/database.ts'
import { startEmbeddedServer } from '../adapters/postgres/embedded-server.ts'
import type { Log } from '../runtime/log.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'

/** The server that the settings name, or our own. */
export async function openNodeDatabase(
  settings: Settings,
  log: Log,
  stops: Stops,
): Promise<Database & { readonly url: string }> {
  const url = settings.DATABASE_URL ?? (await startOwnServer(settings, log, stops))
  const database = await openDatabase({
    url,
    log,
    applicationName: settings.ASSAY_NODE_NAME,
    connectionsMax: settings.DATABASE_CONNECTIONS_MAX,
    statementMsMax: settings.DATABASE_STATEMENT_MS_MAX,
  })
  stops.add('database', () => database.close())
  return { ...database, url }
}

async function startOwnServer(settings: Settings, log: Log, stops: Stops): Promise<string> {
  const server = await startEmbeddedServer({ dataDir: path.join(settings.ASSAY_DATA_DIR, 'postgres'), log })
  stops.add('PostgreSQL', () => server.stop())
  return server.url
}

export function dataDirOf({ DATABASE_URL, ASSAY_DATA_DIR }: Settings): string | undefined {
  return DATABASE_URL === undefined ? path.resolve(ASSAY_DATA_DIR) : undefined
}
