import { Registry } from 'prom-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openFindEvent } from '../../src/adapters/projections/find-event.ts'
import { projectionBounds, projectSome } from '../../src/adapters/projections/project.ts'
import type { Stream } from '../../src/core/registry/stream.ts'
import { nodeApp } from '../../src/http/app.ts'
import { eventRoutes } from '../../src/http/event-routes.ts'
import { type HttpServer, httpLimits, listen } from '../../src/http/server.ts'
import type { ItemAnswer } from '../../src/ingest/arrived.ts'
import { type LogBed, openLogBed, sampleSource } from '../support/log-bed.ts'
import { routesOf, undocumented } from './openapi-checks.ts'
import { openObjects, readApiDocument } from './openapi-document.ts'
import { type HttpAnswer, HttpClient } from './raw-http.ts'

const operations = readApiDocument().operations.filter(({ tag }) => tag === 'events')
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
    findEvent: id => openFindEvent(bed.database.pool, tailMax === undefined ? {} : { tailMax })(id),
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
const get = (id: string) => client.send({ method: 'GET', path: `/ingest/events/${id}` })
const read = ({ body }: HttpAnswer): unknown => JSON.parse(body.toString())
const [operation] = operations
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

  test('cannot be said to be missing while too much is not projected', async () => {
    tailMax = 10
    const answer = await get(await sendTo('tail'))
    tailMax = undefined
    expect([answer.status, answer.headers['retry-after'], documented(answer)]).toEqual([503, '5', []])
    expect(read(answer)).toMatchObject({ error: 'busy', retryable: true })
  })
})

describe('docs/openapi.yaml, on events', () => {
  test('lists the routes, and no other', () => {
    expect(routesOf(routes()).sort()).toEqual(
      operations.map(({ method, path }) => `${method} ${path}`).sort(),
    )
  })

  test('closes every object that an answer holds', () => {
    const open = operations.flatMap(({ id, answers }) =>
      [...answers].flatMap(([status, { bodies }]) =>
        [...bodies.values()].flatMap(({ schema }) => openObjects(schema, `${id} ${status}`)),
      ),
    )
    expect(open).toEqual([])
  })
})
