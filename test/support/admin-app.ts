import type { Router } from 'express'
import { openDatabase } from '../../src/adapters/postgres/database.ts'
import type { AdminActions } from '../../src/http/admin-actions.ts'
import { adminRoutes } from '../../src/http/admin-routes.ts'
import { nodeApp } from '../../src/http/app.ts'
import { openAuthentication } from '../../src/http/authentication.ts'
import { listen } from '../../src/http/server.ts'
import { authEvents } from '../../src/runtime/auth-events.ts'
import { openLog } from '../../src/runtime/log.ts'
import { openMetrics } from '../../src/runtime/metrics.ts'
import { fetchOutgoing } from './fetch-outgoing.ts'
import { party } from './pipeline.ts'
import type { TestNode } from './running-node.ts'
import { silentLog } from './silent-log.ts'

export type AdminApp = {
  readonly routes: readonly Router[]
  readonly url: string
  /** What was written to the log, as it was written. */
  readonly logged: readonly string[]
  /** What discovery was told to do. */
  readonly done: readonly string[]
  stop(): Promise<void>
}

/** The admin's routes beside a running node, over the same database and the same services. */
export async function adminApp(
  node: TestNode,
  options: { readonly token?: string; readonly identityKeys?: readonly string[] } = {},
): Promise<AdminApp> {
  const database = await openDatabase({ url: node.databaseUrl, log: silentLog, applicationName: 'test' })
  const [logged, done]: [string[], string[]] = [[], []]
  const metrics = openMetrics()
  const onFailure = (error: unknown) => void logged.push(String(error))
  const authentication = openAuthentication({
    identity: party('a node with an operator'),
    pool: database.pool,
    now: Date.now,
    onFailure,
    events: authEvents(silentLog, metrics),
  })
  const routes = adminRoutes({
    authentication,
    token: options.token,
    identityKeys: options.identityKeys ?? [],
    nodeName: 'assay',
    network: 'local',
    startedAtMs: Date.now(),
    now: Date.now,
    pool: database.pool,
    hosted: node.overlay.hosted,
    actions: discovery(done),
    outgoing: fetchOutgoing().outgoing,
    log: openLog('info', { write: line => void logged.push(line) }),
    onFailure,
  })
  const app = nodeApp({
    routes: [authentication.routes, routes],
    metrics: metrics.registry,
    network: 'local',
    onFailure,
  })
  const http = await listen(app, 0, '127.0.0.1')
  return {
    url: `http://127.0.0.1:${http.port}`,
    routes: [authentication.routes, routes],
    logged,
    done,
    async stop() {
      await http.stop()
      await authentication.stop()
      await database.close()
    },
  }
}

/** Of a node that has seen three adverts of hosts for one topic. */
function discovery(done: string[]): AdminActions {
  const records = ['a', 'b', 'c'].map((letter, outputIndex) => ({
    txid: letter.repeat(64),
    outputIndex,
    identityKey: party(`host ${letter}`).identityKey,
    domain: `https://${letter}.example`,
    name: 'tm_gitdata_events_ingest',
    createdMs: 1_700_000_000_000 + outputIndex,
  }))
  return {
    async listAdverts(protocol, { offset, limit, search = '' }) {
      const found = protocol === 'SHIP' ? records.filter(({ domain }) => domain.includes(search)) : []
      return { records: found.slice(offset, offset + limit), total: found.length }
    },
    async domainOf(txid, outputIndex) {
      return records.find(each => each.txid === txid && each.outputIndex === outputIndex)?.domain
    },
    async runJanitor() {
      done.push('janitor')
      return { checked: 3, removed: 1 }
    },
    async syncAdvertisements() {
      done.push('adverts')
    },
    async startSync() {
      done.push('sync')
    },
  }
}
