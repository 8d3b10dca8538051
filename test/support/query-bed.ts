import type { Router } from 'express'
import { Registry } from 'prom-client'
import { openFindEvent } from '../../src/adapters/projections/find-event.ts'
import { projectionBounds, projectSome } from '../../src/adapters/projections/project.ts'
import { openFindReader } from '../../src/adapters/reading/readable.ts'
import type { Json } from '../../src/core/canonical-json.ts'
import type { Stream } from '../../src/core/registry/stream.ts'
import { nodeApp } from '../../src/http/app.ts'
import { openReading } from '../../src/http/read/reading.ts'
import { httpLimits, listen } from '../../src/http/server.ts'
import { queryRoutes } from '../../src/node/node-query.ts'
import { undocumented } from '../http/openapi-checks.ts'
import { readApiDocument } from '../http/openapi-document.ts'
import { type HttpAnswer, HttpClient } from '../http/raw-http.ts'
import { type LogBed, openLogBed, sampleSource } from './log-bed.ts'
import { testOnlyAuthentication, testOnlyIdentityHeader } from './test-only-authentication.ts'

/** A log of events, and the routes that they are asked for by, over HTTP. */
export type QueryBed = LogBed & {
  /** What the answer has that docs/openapi.yaml does not say is thrown. */
  get(
    path: string,
    how?: { readonly identityKey?: string; readonly headers?: Record<string, string> },
  ): Promise<HttpAnswer>
  /** Each at a millisecond of its own; their ids, the newest first. */
  sendTo(stream: SentTo, items: readonly Json[]): Promise<string[]>
  /** Takes in all that the log holds. */
  project(): Promise<void>
  readonly routes: readonly Router[]
}

export type SentTo = Partial<Stream> & { readonly streamId: string; readonly sourceId?: string }

const operations = readApiDocument().operations.filter(({ tag }) => tag === 'query')

export async function openQueryBed({ cacheTtlMs = 0 } = {}): Promise<QueryBed> {
  const bed = await openLogBed()
  const { pool } = bed.database
  const failures: unknown[] = []
  const onFailure = (error: unknown) => void failures.push(error)
  const routes = queryRoutes(
    { FEED_CACHE_TTL_MS: cacheTtlMs },
    {
      pool,
      masterKey: new Uint8Array(32).fill(5),
      findEvent: openFindEvent(pool),
      reading: openReading({ authentication: testOnlyAuthentication(), findReader: openFindReader(pool) }),
      now: () => bed.clock.ms,
      onFailure,
    },
  )
  const app = nodeApp({ routes, metrics: new Registry(), network: 'local', onFailure })
  const http = await listen(app, 0, '127.0.0.1', { ...httpLimits, drainMsMax: 100 })
  const client = new HttpClient(http.port)
  return {
    ...bed,
    routes: routes.flatMap(each => ('stack' in each ? [each] : [])),
    async get(path, { identityKey, headers = {} } = {}) {
      const named =
        identityKey === undefined ? headers : { ...headers, [testOnlyIdentityHeader]: identityKey }
      const answer = await client.send({ method: 'GET', path, headers: named })
      const operation = operations.find(each => each.path === path.replace(/\?.*/, ''))
      const wrong = operation === undefined ? [`no route ${path}`] : undocumented(operation, answer)
      if (wrong.length > 0)
        throw new Error(`${path}: ${wrong.join('; ')}: ${answer.body.toString().slice(0, 500)}`)
      return answer
    },
    async sendTo({ sourceId = 'sensor-1', tenantId, readers = [], search, ...stream }, items) {
      await bed.putStream({ ...stream, ...(tenantId !== undefined && { tenantId }) })
      await pool.query('update streams set tenant_id = $2, readers = $3 where stream_id = $1', [
        stream.streamId,
        tenantId ?? null,
        readers,
      ])
      const streams = [stream.streamId] as const
      const source = { ...sampleSource, sourceId, streams, ...(tenantId !== undefined && { tenantId }) }
      const ids: string[] = []
      for (const item of items) {
        bed.clock.ms += 1
        const [answer] = await bed.send([item], { source })
        if (answer?.status !== 'accepted' && answer?.status !== 'revision')
          throw new Error(JSON.stringify(answer))
        ids.unshift(answer.eventId)
      }
      return ids
    },
    async project() {
      for (;;) {
        const { isMore, unread } = await projectSome(pool, projectionBounds, bed.clock.ms)
        if (unread.length > 0) throw new Error(`unread: ${JSON.stringify(unread)}`)
        if (!isMore) return
      }
    },
    async end() {
      client.close()
      await http.stop()
      await bed.end()
      if (failures.length > 0) throw new AggregateError(failures, 'routes have failed')
    },
  }
}

let count = 0
/** Different each time. */
export function readings(many: number, type = 'reading'): Json[] {
  return Array.from({ length: many }, (_, n) => ({
    eventType: type,
    externalId: `${type} ${count++}`,
    data: { n },
  }))
}
