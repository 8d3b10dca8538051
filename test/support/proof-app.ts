import type { Router } from 'express'
import type { Pool } from 'pg'
import { Registry } from 'prom-client'
import { openFindEvent } from '../../src/adapters/projections/find-event.ts'
import { openFindReader } from '../../src/adapters/reading/readable.ts'
import { headerChain } from '../../src/contract/headers.ts'
import type { Trust } from '../../src/contract/verify.ts'
import { orThrow } from '../../src/core/fault.ts'
import { nodeApp } from '../../src/http/app.ts'
import { chainRoutes } from '../../src/http/chain-routes.ts'
import { openReading } from '../../src/http/read/reading.ts'
import { httpLimits, listen } from '../../src/http/server.ts'
import { openNodeDetail } from '../../src/node/node-detail.ts'
import { openNodeProofs } from '../../src/node/node-proofs.ts'
import { queryRoutes } from '../../src/node/node-query.ts'
import { openNodeRoundParts } from '../../src/node/node-round-parts.ts'
import { type HttpAnswer, HttpClient } from '../http/raw-http.ts'
import { jobRules } from './job-rules.ts'
import { testOnlyAuthentication, testOnlyIdentityHeader } from './test-only-authentication.ts'
import type { TracedRound } from './traced-round.ts'

/** All that verifying asks a node for, over a real socket. */
export type ProofApp = {
  readonly url: string
  readonly client: HttpClient
  /** Those that hand out proofs. */
  readonly proofRoutes: readonly Router[]
  readonly failures: readonly unknown[]
  /** That making proofs has asked the database for so far, begin and commit included. */
  statements(): number
  /** As anybody, or as who has proven this key. */
  get(path: string, identityKey?: string): Promise<HttpAnswer>
  /** Of a reader who trusts this log, its operators, and the headers as they are now. */
  trust(): Promise<Required<Trust>>
  stop(): Promise<void>
}

export async function proofApp(
  { bed, decided }: TracedRound,
  bounds: { readonly bytesMax?: number } = {},
): Promise<ProofApp> {
  const { database, chain, overlay } = bed.bed
  const { pool } = database
  const counted = countStatements(pool)
  const failures: unknown[] = []
  const onFailure = (error: unknown) => void failures.push(error)
  const findEvent = openFindEvent(pool)
  const reading = openReading({ authentication: testOnlyAuthentication(), findReader: openFindReader(pool) })
  const asked = { findEvent, reading, onFailure, now: Date.now, masterKey: new Uint8Array(32).fill(5) }
  const { content } = bed
  const proofRoutes = openNodeProofs(
    { TRUSTED_PROXY_CIDRS: [] },
    {
      ...bounds,
      pool: counted.pool,
      content,
      findEvent,
      reading,
      onFailure,
    },
  )
  const { log, operators } = decided.round
  const app = nodeApp({
    routes: [
      ...openNodeDetail({
        ...asked,
        jobRules,
        pool,
        questions: pool,
        content,
        chain,
        hosted: overlay.hosted,
      }),
      ...proofRoutes,
      ...queryRoutes({ FEED_CACHE_TTL_MS: 0 }, { ...asked, pool }),
      ['/chain', chainRoutes({ chain })],
      [
        '/rounds',
        openNodeRoundParts({ database, logKey: log.identityKey, content, now: Date.now, onFailure }),
      ],
    ],
    metrics: new Registry(),
    network: 'local',
    onFailure,
  })
  const http = await listen(app, 0, '127.0.0.1', { ...httpLimits, drainMsMax: 100 })
  const client = new HttpClient(http.port)
  return {
    url: `http://127.0.0.1:${http.port}`,
    ...{ client, failures },
    statements: counted.statements,
    proofRoutes: proofRoutes.flatMap(each => ('stack' in each ? [each] : [])),
    get: (path, identityKey) =>
      client.send({
        method: 'GET',
        path,
        headers: identityKey === undefined ? {} : { [testOnlyIdentityHeader]: identityKey },
      }),
    async trust() {
      const { height } = await chain.tip()
      return {
        logs: new Set([log.identityKey]),
        operators: new Set(operators.map(({ identityKey }) => identityKey)),
        headers: orThrow(headerChain(await chain.headers(0, height + 1), 0, 'local')),
        allowLocal: true,
      }
    },
    async stop() {
      client.close()
      await http.stop()
    },
  }
}

/** The same pool, counting what goes through it. */
function countStatements(pool: Pool): { readonly pool: Pool; statements(): number } {
  let count = 0
  const counting = <Target extends object>(target: Target): Target =>
    new Proxy(target, {
      get(from, name) {
        const member: unknown = Reflect.get(from, name)
        if (typeof member !== 'function') return member
        if (name === 'query') count += 1
        if (name === 'connect') return async () => counting(await pool.connect())
        return member.bind(from)
      },
    })
  return { pool: counting(pool), statements: () => count }
}
