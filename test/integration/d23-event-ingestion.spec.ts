import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest'
import * as z from 'zod'
import { type AgentsBed, agentsBed, bedSource } from '../support/agents-bed.ts'
import { begun, eventIdsOf, followSse, followWebSocket, transports } from '../support/live-clients.ts'
import { runningNode, type TestNode } from '../support/running-node.ts'
import { until } from '../support/until.ts'

/** A farm's sensor, as the drafts have it. */
const farm = { id: 'iot-sensors-farm-001', type: 'webhook' }
const farmTopics = ['gitdata.events.iot', 'gitdata.sensors.temperature']
const reading = {
  sourceId: farm.id,
  events: [
    {
      externalId: 'sensor_001_20240115_103000',
      eventType: 'sensor_reading',
      timestamp: '2024-01-15T10:30:00Z',
      data: {
        sensorId: 'temp_001',
        value: 23.5,
        unit: 'celsius',
        location: { lat: 40.7128, lng: -74.006 },
      },
    },
  ],
  processingOptions: {
    requireCertification: true,
    distributionTopics: farmTopics,
    consensusLevel: 'enhanced',
  },
}

const answerOf = async (response: Response) => ({
  status: response.status,
  body: z.record(z.string(), z.unknown()).parse(await response.json()),
})
const postTo = async (url: string, body: unknown) =>
  answerOf(
    await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    }),
  )
const processedIn = (body: Record<string, unknown>) => {
  const item = z.looseObject({ eventId: z.string(), externalId: z.string(), status: z.string() })
  return z.tuple([item]).parse(body['processedEvents'])[0]
}

const feedItem = z.looseObject({
  eventId: z.string(),
  sourceId: z.string(),
  status: z.enum(['received', 'normalized']),
  contentHash: z.null(),
  versionId: z.null(),
  createdAt: z.number(),
  updatedAt: z.number(),
})

/** The requests that the first drafts of this product were described with, as they were written there. */
describe('event ingestion', () => {
  let node: TestNode
  beforeAll(async () => {
    node = await runningNode({ INGEST_SOURCES_JSON: JSON.stringify([farm]) })
  }, 60_000)
  afterAll(() => node.end())

  const post = (path: string, body: unknown) => postTo(node.url + path, body)
  const inspect = async (eventId: string) => answerOf(await fetch(`${node.url}/ingest/events/${eventId}`))

  test('takes the two events of a demonstration, and shows each as it was sent', async () => {
    const events = [
      { ts: 1, val: 42, sensor: 'a' },
      { ts: 2, val: 43, sensor: 'a' },
    ]
    const { status, body } = await post('/ingest/events', { sourceId: 'src_demo', events })
    expect(status).toBe(200)
    expect(body).toMatchObject({ status: 'ok', count: 2 })
    const inserted = z.array(z.string()).length(2).parse(body['inserted'])

    const first = await inspect(inserted[0] ?? '')
    expect(first.status).toBe(200)
    expect(first.body).toMatchObject({
      eventId: inserted[0],
      sourceId: 'src_demo',
      status: 'received',
      raw: events[0],
      normalized: null,
      versionId: null,
      lastError: null,
    })
    const packed = await until(async () => {
      const { body } = await inspect(inserted[1] ?? '')
      return typeof body['packetId'] === 'string' && body
    })
    expect(packed).toMatchObject({ packetNo: expect.any(Number) })
  })

  test.each(Object.entries(transports))(
    'lists what came last, and tells of it at /watch by %s as it comes',
    async (_, follow) => {
      const watching = await begun(follow(Number(new URL(node.url).port), { path: '/watch' }))
      expect(watching.messages[0]).toMatchObject({ type: 'hello', ts: expect.any(Number) })
      const events = [
        { ts: 1, val: 42, sensor: 'a' },
        { ts: 2, val: 43, sensor: 'a' },
      ]
      const { body } = await post('/ingest/events', { sourceId: 'src_demo', events })
      const inserted = z.array(z.string()).length(2).parse(body['inserted'])
      await until(() => eventIdsOf(watching, 'received').length >= 2)
      expect(eventIdsOf(watching, 'received')).toEqual(inserted)
      expect(watching.messages.find(({ type }) => type === 'received')).toMatchObject({
        sourceId: 'src_demo',
        count: 2,
      })
      watching.close()

      const listed = await until(async () => {
        const feed = await answerOf(await fetch(`${node.url}/ingest/feed?limit=5`))
        expect(feed.status).toBe(200)
        const { items } = z.looseObject({ items: z.array(feedItem).max(5) }).parse(feed.body)
        return items.some(({ eventId }) => eventId === inserted[1]) && items
      })
      expect(listed.slice(0, 2)).toMatchObject(
        inserted.toReversed().map(eventId => ({ eventId, sourceId: 'src_demo', contentHash: null })),
      )
    },
  )

  test('keeps the words of its errors', async () => {
    expect(await post('/ingest/events', { sourceId: 'src_demo' })).toMatchObject({
      status: 400,
      body: { error: 'bad-request', hint: expect.stringContaining('events[] required') },
    })
    expect(await post('/ingest/events', { sourceId: 'nobody', events: [] })).toMatchObject({
      status: 404,
      body: { error: 'source-not-found-or-disabled' },
    })
    expect(await inspect('ev_unknown')).toMatchObject({ status: 404, body: { error: 'not-found' } })
  })

  test('answers a reading in the shape of the overlay, once', async () => {
    const { status, body } = await post('/overlay/events/ingest', reading)
    expect(status).toBe(200)
    const processed = processedIn(body)
    expect(processed).toMatchObject({
      externalId: 'sensor_001_20240115_103000',
      status: 'ingested',
      overlayJobs: [{ jobId: null, jobType: 'normalize', assignedAgent: null, status: 'queued' }],
      overlayDistribution: { topics: [], publishedAt: null, consensusNodes: 0 },
    })
    expect(body['overlayMetadata']).toMatchObject({ sourceVerified: false, topicsNotServed: farmTopics })

    const again = await post('/overlay/events/ingest', reading)
    expect(again.body['processedEvents']).toMatchObject([{ eventId: processed.eventId, status: 'duplicate' }])
    expect((await inspect(processed.eventId)).body).toMatchObject({
      externalId: 'sensor_001_20240115_103000',
      type: 'sensor_reading',
      raw: { value: 23.5 },
      eventTimeMs: Date.parse('2024-01-15T10:30:00Z'),
    })
  })
})

describe('event certification', () => {
  let bed: AgentsBed
  beforeAll(async () => {
    bed = await agentsBed({
      sources: [{ ...farm, overlayTopics: farmTopics }],
      settings: { EVENT_STREAM_HEARTBEAT_INTERVAL_MS: '500' },
    })
  }, 120_000)
  afterAll(() => bed.stop())

  test('is followed by the calls of the overlay edition, at a source that settings have declared', async () => {
    onTestFailed(async () => void process.stderr.write(await bed.describe()))
    const port = Number(new URL(bed.url).port)
    // What `curl -G` makes of its -d.
    const query = [
      'topics=gitdata.events.iot,gitdata.sensors.temperature',
      'sourceIds=iot-sensors-farm-001',
      'minCertificationLevel=enhanced',
      'includeProcessingEvidence=true',
    ].join('&')
    const sse = await begun(
      followSse(port, {
        path: `/overlay/events/stream?${query}`,
        headers: { Accept: 'text/event-stream' },
      }),
    )
    const path = '/overlay/events/stream?topics=gitdata.events.iot&minCertificationLevel=enhanced'
    const webSocket = await begun(followWebSocket(port, { path }))

    // Of a stream without topics, which is nobody's here.
    await bed.publish(bedSource, [{ eventType: 'sensor_reading', data: { value: 1 } }])
    const { body } = await postTo(`${bed.url}/overlay/events/ingest`, reading)
    const { eventId, overlayDistribution } = processedIn(body)
    expect(overlayDistribution).toMatchObject({ topics: farmTopics })
    expect(body['overlayMetadata']).not.toHaveProperty('topicsNotServed')
    await bed.allAnchored()

    for (const client of [sse, webSocket]) {
      await until(() => eventIdsOf(client, 'event').includes(eventId))
      expect(eventIdsOf(client, 'event')).toEqual([eventId])
      const told = client.messages.find(({ type }) => type === 'event')
      expect(told).toMatchObject({
        eventType: 'sensor_reading',
        certificationLevel: 'enhanced',
        timestamp: '2024-01-15T10:30:00.000Z',
        data: { sensorId: 'temp_001', value: 23.5 },
        certification: {
          agentId: expect.any(String),
          signature: expect.stringMatching(/^30/),
          consensusNodes: expect.any(Number),
        },
        overlayMetadata: { latency: expect.any(Number), reliability: null },
      })
      expect(told !== undefined && 'processingEvidence' in told).toBe(client === sse)
      const beat = await until(() => client.messages.find(({ type }) => type === 'heartbeat'))
      expect(beat).toMatchObject({
        timestamp: expect.any(String),
        activeSubscriptions: 2,
        eventsProcessed: expect.any(Number),
      })
      client.close()
    }

    const shown = await answerOf(await fetch(`${bed.url}/overlay/events/${eventId}/certification`))
    expect(shown).toMatchObject({
      status: 200,
      body: { eventId, certification: { status: 'certified', level: 'enhanced' } },
    })
  }, 120_000)
})
