import { Router } from 'express'
import { migrations } from '../../migrations/index.ts'
import { inUse } from '../adapters/keys/keyring.ts'
import { openOutgoing } from '../adapters/outgoing/outgoing.ts'
import type { Database } from '../adapters/postgres/database.ts'
import { migrate } from '../adapters/postgres/migrate.ts'
import { openFindReader } from '../adapters/reading/readable.ts'
import { openAuthentication } from '../http/authentication.ts'
import { ingestEventRoutes } from '../http/read/event-routes.ts'
import { openReading } from '../http/read/reading.ts'
import { authEvents } from '../runtime/auth-events.ts'
import { type Log, openLog } from '../runtime/log.ts'
import { openMetrics } from '../runtime/metrics.ts'
import { readSettings } from '../runtime/settings.ts'
import { openStops } from '../runtime/stops.ts'
import { openEventDetails } from './node-detail.ts'
import { openNodeIngest } from './node-ingest.ts'
import { openNodeIngestDoor } from './node-ingest-door.ts'
import { openNodeKeys } from './node-keys.ts'
import { openNodeStorage } from './node-storage.ts'

/** For an app of somebody else's, which takes events in and has everything else of its own. */
export type HostedIngestOptions = {
  /** Settings by the names of docs/operating.md; the environment of the process, where nothing is said. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly log?: Log
}

export type Stoppable = {
  /** Ends all that ingest does on this database in this process, router and worker alike. */
  stop(): Promise<void>
}

/** Makes the tables that ingest needs, or what is missing of them. */
export async function runIngestMigrations(database: Database): Promise<void> {
  await migrate(database, migrations)
}

/**
 * POST /ingest/events, POST /overlay/events/ingest and GET /ingest/events/:id. Mounted before the app's body parsers,
 * it sees bytes as they were signed.
 */
export function ingestRouter(database: Database, options: HostedIngestOptions = {}): Router & Stoppable {
  const router = Router()
  router.use((request, response, next) => {
    hostedIngest(database, options).then(({ routes }) => routes(request, response, next), next)
  })
  return Object.assign(router, { stop: () => stopIngest(database) })
}

/**
 * Makes packets of what came in, keeps the tables of events up with it, and takes batches that an overlay has admitted.
 * A router does the same from its first request on; this does it at once, also where there is no router.
 */
export async function startIngestWorker(
  database: Database,
  options: HostedIngestOptions = {},
): Promise<Stoppable> {
  await hostedIngest(database, options)
  return { stop: () => stopIngest(database) }
}

type HostedIngest = Stoppable & { readonly routes: Router }

/** What is asked for several times is there once: two writers of one process would only wait for each other. */
const hosted = new WeakMap<Database, Promise<HostedIngest>>()

function hostedIngest(database: Database, options: HostedIngestOptions): Promise<HostedIngest> {
  const known = hosted.get(database)
  if (known !== undefined) return known
  const opening = openHostedIngest(database, options)
  hosted.set(database, opening)
  // Whoever waits for it hears of the failure; the next one tries again.
  opening.catch(() => hosted.delete(database))
  return opening
}

async function stopIngest(database: Database): Promise<void> {
  const opened = hosted.get(database)
  hosted.delete(database)
  await (await opened)?.stop()
}

async function openHostedIngest(
  database: Database,
  { env = process.env, log = openLog('warn') }: HostedIngestOptions,
): Promise<HostedIngest> {
  const settings = readSettings(env)
  const stops = openStops(log)
  // The app has metrics of its own, and does not ask for these.
  const metrics = openMetrics()
  const { pool } = database
  const onFailure = (error: unknown) => log.error({ err: error }, 'a request failed')
  try {
    const keys = await openNodeKeys(settings, pool)
    const { store } = await openNodeStorage(settings, database, { log, metrics, stops })
    const ingest = await openNodeIngest(settings, {
      ...{ database, store, log, metrics, stops },
      logKey: keys.log.identityKey,
      outgoing: openOutgoing({ network: settings.ASSAY_NETWORK }),
    })
    const authentication = openAuthentication({
      identity: inUse(keys.node),
      pool,
      now: Date.now,
      onFailure,
      events: authEvents(log, metrics),
    })
    stops.add('authentication', authentication.stop)
    const { registry, noteActivity } = ingest.registry
    const { accept, pushBack, findEvent, now } = ingest
    const door = openNodeIngestDoor(settings, {
      ...{ registry, noteActivity, accept, pushBack, authentication, pool, now, log, metrics, stops },
    })
    const routes = Router()
    const reading = openReading({ authentication, findReader: openFindReader(pool) })
    const details = openEventDetails({ pool, content: store })
    routes.use(
      authentication.routes,
      door.routes,
      ingestEventRoutes({ findEvent, details, reading, onFailure }),
    )
    return { routes, stop: stops.run }
  } catch (error) {
    await stops.run()
    throw error
  }
}
