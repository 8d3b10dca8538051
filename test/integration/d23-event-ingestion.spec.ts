import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { runningNode, type TestNode } from '../support/running-node.ts'
import { until } from '../support/until.ts'

/** The requests that the first drafts of this product were described with, as they were written there. */
describe('event ingestion', () => {
  let node: TestNode
  beforeAll(async () => {
    node = await runningNode({
      INGEST_SOURCES_JSON: JSON.stringify([{ id: 'iot-sensors-farm-001', type: 'webhook' }]),
    })
  }, 60_000)
  afterAll(() => node.end())

  const post = async (path: string, body: unknown) => {
    const response = await fetch(node.url + path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
    return { status: response.status, body: z.record(z.string(), z.unknown()).parse(await response.json()) }
  }
  const inspect = async (eventId: string) => {
    const response = await fetch(`${node.url}/ingest/events/${eventId}`)
    return { status: response.status, body: z.record(z.string(), z.unknown()).parse(await response.json()) }
  }

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
    const reading = {
      sourceId: 'iot-sensors-farm-001',
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
        distributionTopics: ['gitdata.events.iot', 'gitdata.sensors.temperature'],
        consensusLevel: 'enhanced',
      },
    }
    const { status, body } = await post('/overlay/events/ingest', reading)
    expect(status).toBe(200)
    const [processed] = z
      .array(z.looseObject({ eventId: z.string(), externalId: z.string(), status: z.string() }))
      .length(1)
      .parse(body['processedEvents'])
    expect(processed).toMatchObject({
      externalId: 'sensor_001_20240115_103000',
      status: 'ingested',
      overlayJobs: [{ jobId: null, jobType: 'normalize', assignedAgent: null, status: 'queued' }],
      overlayDistribution: { publishedAt: null, consensusNodes: 0 },
    })
    expect(body['overlayMetadata']).toMatchObject({ sourceVerified: false })

    const again = await post('/overlay/events/ingest', reading)
    expect(again.body['processedEvents']).toMatchObject([
      { eventId: processed?.eventId, status: 'duplicate' },
    ])
    expect((await inspect(processed?.eventId ?? '')).body).toMatchObject({
      externalId: 'sensor_001_20240115_103000',
      type: 'sensor_reading',
      raw: { value: 23.5 },
      eventTimeMs: Date.parse('2024-01-15T10:30:00Z'),
    })
  })
})
