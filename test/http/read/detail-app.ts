import type { Router } from 'express'
import { Registry } from 'prom-client'
import { openFindEvent } from '../../../src/adapters/projections/find-event.ts'
import { openFindReader } from '../../../src/adapters/reading/readable.ts'
import { nodeApp } from '../../../src/http/app.ts'
import { openReading } from '../../../src/http/read/reading.ts'
import { type HttpServer, httpLimits, listen } from '../../../src/http/server.ts'
import { openNodeDetail } from '../../../src/node/node-detail.ts'
import type { CertificatesBed } from '../../adapters/certificates/certificates-bed.ts'
import { jobRules } from '../../support/job-rules.ts'
import { testOnlyAuthentication, testOnlyIdentityHeader } from '../../support/test-only-authentication.ts'
import { type HttpAnswer, HttpClient } from '../raw-http.ts'

/** The routes that show one thing, over a real socket. */
export type DetailApp = {
  readonly client: HttpClient
  readonly routes: readonly Router[]
  readonly failures: readonly unknown[]
  /** As anybody, or as who has proven this key. */
  get(path: string, identityKey?: string, headers?: Readonly<Record<string, string>>): Promise<HttpAnswer>
  read(path: string, identityKey?: string): Promise<unknown>
  stop(): Promise<void>
}

export async function detailApp({
  bed,
}: {
  readonly bed: Pick<CertificatesBed, 'bed' | 'content'>
}): Promise<DetailApp> {
  const { pool } = bed.bed.database
  const failures: unknown[] = []
  const onFailure = (error: unknown) => void failures.push(error)
  const routes = openNodeDetail({
    ...{ pool, questions: pool, content: bed.content, chain: bed.bed.chain, onFailure },
    ...{ hosted: bed.bed.overlay.hosted, masterKey: new Uint8Array(32).fill(5), now: Date.now },
    jobRules,
    findEvent: openFindEvent(pool),
    reading: openReading({ authentication: testOnlyAuthentication(), findReader: openFindReader(pool) }),
  }).flatMap(each => (typeof each === 'function' ? [each] : []))
  const app = nodeApp({ routes, metrics: new Registry(), network: 'local', onFailure })
  const http: HttpServer = await listen(app, 0, '127.0.0.1', { ...httpLimits, drainMsMax: 100 })
  const client = new HttpClient(http.port)
  const get: DetailApp['get'] = (path, identityKey, headers = {}) =>
    client.send({
      method: 'GET',
      path,
      headers: { ...headers, ...(identityKey !== undefined && { [testOnlyIdentityHeader]: identityKey }) },
    })
  return {
    ...{ client, routes, failures, get },
    async read(path, identityKey) {
      const answer = await get(path, identityKey)
      if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.body.toString()}`)
      return JSON.parse(answer.body.toString())
    },
    async stop() {
      client.close()
      await http.stop()
    },
  }
}
