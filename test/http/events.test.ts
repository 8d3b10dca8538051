import { Registry } from 'prom-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openFindEvent } from '../../src/adapters/projections/find-event.ts'
import { projectionBounds, projectSome } from '../../src/adapters/projections/project.ts'
import { openFindReader, readableSql, readerValues } from '../../src/adapters/reading/readable.ts'
import type { Stream } from '../../src/core/registry/stream.ts'
import { nodeApp } from '../../src/http/app.ts'
import { eventRoutes } from '../../src/http/read/event-routes.ts'
import { openReading } from '../../src/http/read/reading.ts'
import { type HttpServer, httpLimits, listen } from '../../src/http/server.ts'
import type { ItemAnswer } from '../../src/ingest/arrived.ts'
import { openEventDetails } from '../../src/node/node-detail.ts'
import { type LogBed, openLogBed, sampleSource } from '../support/log-bed.ts'
import { party } from '../support/pipeline.ts'
import { testOnlyAuthentication, testOnlyIdentityHeader } from '../support/test-only-authentication.ts'
import { undocumented } from './openapi-checks.ts'
import { readApiDocument } from './openapi-document.ts'
import { type HttpAnswer, HttpClient } from './raw-http.ts'

const operation = readApiDocument().operations.find(({ path }) => path === '/ingest/events/{id}')
const failures: unknown[] = []
let bed: LogBed
let http: HttpServer
let client: HttpClient
let tailMax: number | undefined
beforeAll(async () => {
  bed = await openLogBed()
  http = await listen(app(), 0, '127.0.0.1', { ...httpLimits, drainMsMax: 100 })
  client = new HttpClient(http.port)
})
afterAll(async () => {
  client.close()
  await http.stop()
  await bed.end()
  expect(failures).toEqual([])
})

const routes = () =>
  eventRoutes({
    findEvent: (...asked) =>
      openFindEvent(bed.database.pool, tailMax === undefined ? {} : { tailMax })(...asked),
    // Nothing here is sealed, so there is nothing to open.
    details: openEventDetails({
      pool: bed.database.pool,
      content: { open: async () => ({ kind: 'none' }) },
    }),
    reading: openReading({
      authentication: testOnlyAuthentication(),
      findReader: openFindReader(bed.database.pool),
    }),
    onFailure: error => void failures.push(error),
  })
const app = () =>
  nodeApp({
    routes: [routes()],
    metrics: new Registry(),
    network: 'local',
    onFailure: error => void failures.push(error),
  })

async function sendTo(
  streamId: string,
  changes: Partial<Stream> & { tenantId?: string } = {},
): Promise<string> {
  const { tenantId, ...others } = changes
  await bed.putStream({ streamId, ...others, ...(tenantId !== undefined && { tenantId }) })
  await bed.database.pool.query('update streams set tenant_id = $2 where stream_id = $1', [
    streamId,
    tenantId ?? null,
  ])
  const source = {
    ...sampleSource,
    streams: [streamId] as const,
    ...(tenantId !== undefined && { tenantId }),
  }
  const [answer] = await bed.send(
    [{ eventType: 'reading', externalId: `of ${streamId}`, data: { text: 'secret-word' } }],
    { source },
  )
  return idOf(answer)
}
function idOf(answer: ItemAnswer | undefined): string {
  if (answer?.status !== 'accepted' && answer?.status !== 'revision') throw new Error(JSON.stringify(answer))
  return answer.eventId
}
const get = (id: string, identityKey?: string) =>
  client.send({
    method: 'GET',
    path: `/ingest/events/${id}`,
    headers: identityKey === undefined ? {} : { [testOnlyIdentityHeader]: identityKey },
  })
const read = ({ body }: HttpAnswer): unknown => JSON.parse(body.toString())
const documented = (answer: HttpAnswer) => operation && undocumented(operation, answer)

describe('an event by its id', () => {
  test('is answered with what is known of it, at once after it was taken in', async () => {
    const eventId = await sendTo('readings')
    const answer = await get(eventId)
    expect([answer.status, documented(answer)]).toEqual([200, []])
    expect(read(answer)).toEqual({
      eventId,
      sourceId: 'sensor-1',
      status: 'received',
      raw: { text: 'secret-word' },
      normalized: null,
      contentHash: null,
      versionId: null,
      evidence: [],
      orchestration: null,
      outside: [],
      lastError: null,
      createdAt: 1_800_000_000,
      updatedAt: 1_800_000_000,
      state: 'received',
      streamId: 'readings',
      partition: 0,
      seq: 0,
      packetNo: null,
      packetId: null,
      type: 'reading',
      externalId: 'of readings',
      revises: null,
      eventTimeMs: 1_800_000_000_000,
      ingestTimeMs: 1_800_000_000_000,
      qualityFlags: 0x1000,
      qualityFlagNames: ['ARRIVAL_TIME'],
    })
    await projectSome(bed.database.pool, projectionBounds, bed.clock.ms)
    expect(read(await get(eventId))).toEqual(read(answer))
  })

  test.each(['ab'.repeat(32), 'AB'.repeat(32), 'ab', 'x', '%00', "'; select 1"])(
    'is not found where there is none: %s',
    async id => {
      const answer = await get(encodeURIComponent(id))
      expect([answer.status, answer.headers['content-type'], documented(answer)]).toEqual([
        404,
        'application/problem+json; charset=utf-8',
        [],
      ])
      expect(read(answer)).toMatchObject({ error: 'not-found', code: 'not-found', status: 404 })
    },
  )

  test('of a stream that is restricted, another’s or not published is not there for anybody', async () => {
    const blindKey = new Uint8Array(32).fill(7)
    const restricted = await sendTo('restricted', { audience: 'restricted', blindKey })
    const another = await sendTo('another', { tenantId: 'acme' })
    const unpublished = await sendTo('unpublished')
    await bed.database.pool.query("update streams set published = false where stream_id = 'unpublished'")
    const nowhere = await get('cd'.repeat(32))
    for (const how of ['tail', 'projected']) {
      for (const id of [restricted, another, unpublished]) {
        const answer = await get(id)
        expect([how, answer.status, answer.body.toString()]).toEqual([how, 404, nowhere.body.toString()])
      }
      await projectSome(bed.database.pool, projectionBounds, bed.clock.ms)
    }
  })

  test('is there for those whom its stream or its tenant names, and never to be kept', async () => {
    const [named, ofTenant, other] = ['named', 'of the tenant', 'other'].map(name => party(name).identityKey)
    const blindKey = new Uint8Array(32).fill(7)
    const restricted = await sendTo('named', { audience: 'restricted', blindKey })
    const another = await sendTo('of-tenant', { tenantId: 'acme' })
    const both = await sendTo('of-tenant-restricted', { audience: 'restricted', blindKey, tenantId: 'acme' })
    const { pool } = bed.database
    await pool.query(`update streams set readers = $1 where stream_id = 'named'`, [[named]])
    await pool.query(
      `insert into overlay_event_sources (source_id, name, source_type, identity_key, tenant_id)
        values ('theirs', 'theirs', 'webhook', $1, 'acme')`,
      [ofTenant],
    )
    const statuses = async (id: string) => {
      const answers = await Promise.all([named, ofTenant, other].map(key => get(id, key)))
      return answers.map(({ status, headers }) => [status, headers['cache-control']].join(' '))
    }
    const [yes, no] = ['200 private, no-store', '404 private, no-store']
    expect(await statuses(restricted)).toEqual([yes, no, no])
    expect(await statuses(another)).toEqual([no, yes, no])
    expect(await statuses(both)).toEqual([no, no, no])
    expect((await get(restricted, 'somebody')).status).toBe(401)
    // The rule in SQL is the same.
    const { rows } = await pool.query(
      `select stream_id from streams as stream where ${readableSql('stream', 1)} and stream_id = any ($3) order by 1`,
      [
        ...readerValues(await openFindReader(pool)(ofTenant ?? '')),
        ['named', 'of-tenant', 'readings', 'unpublished'],
      ],
    )
    expect(rows).toEqual([{ stream_id: 'of-tenant' }, { stream_id: 'readings' }])
  })

  test('cannot be said to be missing while too much is not projected', async () => {
    tailMax = 10
    const answer = await get(await sendTo('tail'))
    tailMax = undefined
    expect([answer.status, answer.headers['retry-after'], documented(answer)]).toEqual([503, '5', []])
    expect(read(answer)).toMatchObject({ error: 'busy', retryable: true })
  })
})
