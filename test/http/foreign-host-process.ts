import type { AddressInfo } from 'node:net'
import {
  allowCrossOrigin,
  baseLookupServices,
  baseTopics,
  chainRoutes,
  EventsIngestTopicManager,
  EventsLookupService,
  ingestRouter,
  migrate,
  migrations,
  openDatabase,
  openLocalChain,
  openOverlay,
  overlayRoutes,
  postgresEventsIndex,
  runIngestMigrations,
  spendHolds,
  startIngestWorker,
} from 'assay'
import express, { type ErrorRequestHandler } from 'express'
import { pino } from 'pino'

/* Somebody else's program: an express app of their own, with our topic, our lookup service and our routes in it. */

const log = pino({ level: 'silent' })
const database = await openDatabase({
  url: process.env['DATABASE_URL'] ?? '',
  log,
  applicationName: 'somebody else',
})
await migrate(database, migrations)
await runIngestMigrations(database)
const chain = await openLocalChain({ pool: database.pool, satisfies: spendHolds })
chain.startMiner({ intervalMs: 50 })
const nothing = () => undefined
const overlay = openOverlay({
  pool: database.pool,
  chain,
  hosted: {
    managers: {
      [baseTopics.ingest]: new EventsIngestTopicManager({ informationUrl: 'https://host.example' }),
    },
    services: { [baseLookupServices.events]: new EventsLookupService(postgresEventsIndex(database.pool)) },
  },
  now: Date.now,
  peers: [],
  post: async () => [],
  events: {
    onEvicted: nothing,
    onDoubleSpend: nothing,
    onUndelivered: nothing,
    onReorganisation: nothing,
    onProven: nothing,
    onFollowFailure: nothing,
  },
})
await overlay.start()
const ours = () => overlayRoutes({ overlay, onFailure: nothing })

const app = express()
app.use('/chain', chainRoutes({ chain }))
app.use('/before/any/parser', allowCrossOrigin, ours())
app.use('/before/any/parser', ingestRouter(database))
app.use('/behind/raw', express.raw({ type: '*/*', limit: '2mb' }), ours())
app.use(express.json())
app.get('/their/page', (_, response) => {
  response.send('theirs')
})
app.use('/their/overlay', ours())
app.use('/their/events', ingestRouter(database))
await startIngestWorker(database)
app.post('/their/overlay/echo', (request, response) => {
  response.json({ theirs: request.body })
})
app.get('/their/failure', () => {
  throw new Error('a failure of theirs')
})
app.use((_, response) => {
  response.status(404).json({ theirs: 'nothing here' })
})
const theirErrors: ErrorRequestHandler = (error, _request, response, _next) => {
  response.status(error.status ?? 500).json({ theirs: error.message })
}
app.use(theirErrors)

const server = app.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`)
})
