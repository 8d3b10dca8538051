import { type Request, Router } from 'express'
import { Registry } from 'prom-client'
import { type Database, openDatabase } from '../../src/adapters/postgres/database.ts'
import { nodeApp } from '../../src/http/app.ts'
import {
  type Authentication,
  type AuthenticationLimits,
  openAuthentication,
} from '../../src/http/authentication.ts'
import { sendError } from '../../src/http/overlay-error.ts'
import { listen } from '../../src/http/server.ts'
import { temporaryDatabase } from './database.ts'
import { type Party, party } from './pipeline.ts'
import { silentLog } from './silent-log.ts'

/** Apps that know their callers, side by side on one database, each with a pool of its own. */
export type AuthBed = {
  readonly database: Database
  readonly identity: Party
  open(options?: AuthAppOptions): Promise<AuthApp>
  close(): Promise<void>
}

export type AuthAppOptions = {
  readonly limits?: Partial<AuthenticationLimits>
  readonly port?: number
  now?(): number
  routes?(authentication: Authentication): Router
}

export type AuthApp = {
  readonly url: string
  readonly port: number
  /** Codes of the answers to those who proved nothing. */
  readonly refused: readonly string[]
  readonly handshakes: readonly string[]
  readonly failures: unknown[]
  sessionCount(): number
  stop(): Promise<void>
}

export async function authBed(): Promise<AuthBed> {
  const temporary = await temporaryDatabase()
  const connect = () => openDatabase({ url: temporary.url, log: silentLog, applicationName: 'test' })
  const database = await connect()
  const identity = party('a node that knows its callers')
  const opened = new Set<AuthApp>()
  return {
    database,
    identity,
    async open(options = {}) {
      const app = await openApp(await connect(), identity, options)
      const once: AuthApp = {
        ...app,
        async stop() {
          if (opened.delete(once)) await app.stop()
        },
      }
      opened.add(once)
      return once
    },
    async close() {
      for (const app of opened) await app.stop()
      await database.close()
      await temporary.drop()
    },
  }
}

async function openApp(
  database: Database,
  identity: Party,
  { limits = {}, port = 0, now = Date.now, routes = testRoutes }: AuthAppOptions,
): Promise<AuthApp> {
  const [refused, handshakes, failures]: [string[], string[], unknown[]] = [[], [], []]
  const onFailure = (error: unknown) => void failures.push(error)
  const authentication = openAuthentication({
    identity,
    pool: database.pool,
    now,
    limits,
    onFailure,
    events: {
      onHandshake: outcome => void handshakes.push(outcome),
      onRefused: code => void refused.push(code),
      onSweepFailure: onFailure,
    },
  })
  const app = nodeApp({
    routes: [authentication.routes, routes(authentication)],
    metrics: new Registry(),
    network: 'local',
    onFailure,
  })
  const http = await listen(app, port, '127.0.0.1')
  return {
    url: `http://127.0.0.1:${http.port}`,
    port: http.port,
    refused,
    handshakes,
    failures,
    sessionCount: authentication.sessionCount,
    async stop() {
      await http.stop()
      await authentication.stop()
      await database.close()
    },
  }
}

/** `/who` says who has asked and with which bytes; the others answer in other ways. */
function testRoutes({ requireIdentity }: Authentication): Router {
  const routes = Router()
  routes.all(
    '/who',
    requireIdentity((request: Request, response, { identityKey, body }) => {
      response.json({
        identityKey,
        body: Buffer.from(body).toString('hex'),
        said: request.get('x-bsv-said') ?? null,
      })
    }),
  )
  routes.all(
    '/refuses',
    requireIdentity((_, response) => {
      sendError(response, { status: 503, code: 'ERR_BUSY', message: 'come again', retryAfterSeconds: 7 })
    }),
  )
  routes.get(
    '/throws',
    requireIdentity(async () => {
      throw new Error('a secret of ours')
    }),
  )
  routes.get(
    '/bytes',
    requireIdentity((_, response) => {
      response.set({ 'Content-Type': 'image/png', 'X-BSV-Said': 'signed' }).send(Uint8Array.of(0, 255, 10))
    }),
  )
  return routes
}
