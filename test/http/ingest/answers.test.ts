import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type IngestBed, openIngestBed, post } from '../../support/ingest-bed.ts'

let bed: IngestBed
beforeAll(async () => {
  bed = await openIngestBed()
  await bed.log.putStream({ streamId: 'readings', topics: ['gitdata.events.iot'] })
  // What live streams are asked by is the stream's; a source that has made none says nothing of it.
  bed.putSource({ sourceId: 'src_demo', overlayTopics: ['gitdata.sensors.temperature'] })
  bed.putSource({ sourceId: 'default' })
}, 60_000)
afterAll(() => bed.end())

const hex32 = expect.stringMatching(/^[0-9a-f]{64}$/)

describe('POST /ingest/events', () => {
  test('takes the batch of the quick try, and names each event', async () => {
    const { status, headers, body } = await post(`${bed.url}/ingest/events`, {
      sourceId: 'src_demo',
      events: [
        { ts: 1, val: 42, sensor: 'a' },
        { ts: 2, val: 43, sensor: 'a' },
      ],
    })
    expect(status).toBe(200)
    expect(headers.get('x-assay-network')).toBe('local')
    expect(headers.get('access-control-allow-origin')).toBe('*')
    expect(body).toEqual({
      status: 'ok',
      inserted: [hex32, hex32],
      count: 2,
      duplicates: [],
      revisions: [],
      quarantined: [],
      rejected: [],
      counts: { accepted: 2, revision: 0, duplicate: 0, quarantined: 0, rejected: 0 },
      items: [0, 1].map(() => ({
        status: 'accepted',
        eventId: hex32,
        partition: 0,
        seq: expect.any(Number),
        qualityFlags: expect.any(Number),
        dedup: expect.any(String),
      })),
      itemsTruncated: false,
    })
  })

  test('says of each item what became of it, and one bad item sinks no other', async () => {
    const reading = (id: string, value: number, timestamp: number) => ({
      eventType: 'reading',
      externalId: id,
      timestamp,
      data: { value },
    })
    const { status, body } = await post(`${bed.url}/ingest/events`, [
      reading('r1', 1, 1000),
      reading('r1', 1, 1000),
      reading('r1', 2, 2000),
      { ...reading('r2', 1, 1000), policyTags: ['PII'] },
      7,
    ])
    const items = body['items'] as { eventId: string }[]
    expect(status).toBe(200)
    expect(body).toMatchObject({
      count: 2,
      inserted: [items[0]?.eventId, items[2]?.eventId],
      duplicates: [{ item: 1, eventId: items[0]?.eventId, externalId: 'r1' }],
      revisions: [{ item: 2, eventId: items[2]?.eventId, revises: items[0]?.eventId, externalId: 'r1' }],
      quarantined: [{ item: 3, reason: 'audience-mismatch', quarantineId: expect.any(String) }],
      rejected: [{ item: 4, code: 'event-unreadable', detail: expect.any(String) }],
      items: [
        { status: 'accepted' },
        { status: 'duplicate' },
        { status: 'revision' },
        { status: 'quarantined' },
        { status: 'rejected' },
      ],
    })
  })

  test('is of the source "default" where it names none', async () => {
    const { status } = await post(`${bed.url}/ingest/events`, [{ timestamp: 5, n: 1 }])
    expect(status).toBe(200)
    const { rows } = await bed.log.database.pool.query('select sources from segments order by appended_ms')
    expect(JSON.stringify(rows)).toContain('default')
  })

  test('answers an empty batch with nothing', async () => {
    const { status, body } = await post(`${bed.url}/ingest/events`, { sourceId: 'src_demo', events: [] })
    expect([status, body['count'], body['items']]).toEqual([200, 0, []])
  })

  test('wants events', async () => {
    const { status, headers, body } = await post(`${bed.url}/ingest/events`, { sourceId: 'src_demo' })
    expect(status).toBe(400)
    expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
    expect(body).toMatchObject({
      type: 'urn:assay:problem:bad-request',
      status: 400,
      code: 'bad-request',
      retryable: false,
      error: 'bad-request',
      hint: expect.stringContaining('events'),
    })
  })

  test.each(['src_other', 'src_off'])('finds no source %s', async sourceId => {
    bed.putSource({ sourceId: 'src_off', enabled: false })
    const { status, body } = await post(`${bed.url}/ingest/events`, { sourceId, events: [{ n: 1 }] })
    expect([status, body['error']]).toEqual([404, 'source-not-found-or-disabled'])
  })

  test('takes what the query says about events that have no room for it', async () => {
    const { status, body } = await post(
      `${bed.url}/ingest/events?sourceId=src_demo&level=enhanced&backfill=true`,
      '{"timestamp":9,"n":1}\n{"timestamp":9,"n":2}\n',
      { 'content-type': 'application/x-ndjson' },
    )
    expect([status, body['count']]).toEqual([200, 2])
    const { rows } = await bed.log.database.pool.query("select 1 from partitions where level = 'enhanced'")
    expect(rows).toHaveLength(1)
  })

  test.each([
    ['sourceId=src_demo&sourceId=default', 'more than once'],
    ['source=src_demo', 'are known'],
    ['level=best', 'basic, enhanced, critical'],
    ['backfill=yes', 'true'],
    ['sourceId=other', 'different things about sourceId'],
  ])('refuses the query %s', async (query, detail) => {
    bed.putSource({ sourceId: 'other' })
    const { status, body } = await post(`${bed.url}/ingest/events?${query}`, {
      sourceId: 'src_demo',
      events: [{ n: 1 }],
    })
    expect([status, body['error']]).toEqual([400, 'bad-request'])
    expect(body['detail']).toContain(detail)
  })

  test('answers line by line where that is accepted', async () => {
    const response = await fetch(`${bed.url}/ingest/events`, {
      method: 'POST',
      headers: { accept: 'application/x-ndjson', 'content-type': 'application/json' },
      body: JSON.stringify([{ timestamp: 11, n: 1 }, 7]),
    })
    expect(response.headers.get('content-type')).toBe('application/x-ndjson')
    const lines = (await response.text()).trim().split('\n')
    expect(lines.map(line => JSON.parse(line))).toMatchObject([
      { item: 0, status: 'accepted' },
      { item: 1, status: 'rejected' },
      { summary: true, status: 'ok', count: 1, counts: { accepted: 1, rejected: 1 } },
    ])
  })
})

describe('POST /overlay/events/ingest', () => {
  const request = {
    sourceId: 'src_demo',
    events: [
      {
        externalId: 'sensor_001_20240115_103000',
        eventType: 'sensor_reading',
        timestamp: '2024-01-15T10:30:00Z',
        data: { sensorId: 'temp_001', value: 23.5, unit: 'celsius' },
      },
    ],
    processingOptions: {
      requireCertification: true,
      distributionTopics: ['gitdata.events.iot', 'gitdata.sensors.temperature'],
      consensusLevel: 'enhanced',
    },
  }

  test('answers with what is known, and nothing that is not', async () => {
    const { status, body } = await post(`${bed.url}/overlay/events/ingest`, request)
    expect(status).toBe(200)
    expect(body).toEqual({
      ingestionId: expect.stringMatching(/^ingest_[0-9a-f]{32}$/),
      processedEvents: [
        {
          eventId: hex32,
          externalId: 'sensor_001_20240115_103000',
          status: 'ingested',
          partition: expect.any(Number),
          seq: expect.any(Number),
          overlayJobs: [{ jobId: null, jobType: 'normalize', assignedAgent: null, status: 'queued' }],
          overlayDistribution: { topics: ['gitdata.events.iot'], publishedAt: null, consensusNodes: 0 },
        },
      ],
      overlayMetadata: {
        sourceVerified: false,
        identityScore: 50,
        processingLatency: expect.any(Number),
        topicsNotServed: ['gitdata.sensors.temperature'],
      },
      counts: { accepted: 1, revision: 0, duplicate: 0, quarantined: 0, rejected: 0 },
      itemsTruncated: false,
    })
  })

  test('gives the same events the same ingestionId', async () => {
    const [first, second] = [
      await post(`${bed.url}/overlay/events/ingest`, request),
      await post(`${bed.url}/overlay/events/ingest`, request),
    ]
    expect(second.body['ingestionId']).toBe(first.body['ingestionId'])
    expect(second.body['processedEvents']).toMatchObject([
      { status: 'duplicate', externalId: 'sensor_001_20240115_103000', overlayJobs: [] },
    ])
  })
})

describe('an Idempotency-Key', () => {
  const events = [{ n: 1 }, { n: 2 }]
  const send = (key: string, sent: unknown = events, path = '/ingest/events?sourceId=src_demo') =>
    post(bed.url + path, sent, { 'idempotency-key': key })

  test('gives the same request the same answer, though its events have no identity', async () => {
    const first = await send('k-1')
    expect(first.body['count']).toBe(2)
    expect(first.headers.get('idempotent-replayed')).toBeNull()
    const second = await send('k-1')
    expect(second.body).toEqual(first.body)
    expect(second.headers.get('idempotent-replayed')).toBe('true')
    expect((await send('k-2')).body['inserted']).not.toEqual(first.body['inserted'])
  })

  test('refuses another request', async () => {
    await send('k-3')
    for (const other of [
      send('k-3', [{ n: 3 }]),
      send('k-3', events, '/ingest/events?sourceId=src_demo&backfill=true'),
    ])
      expect(await other).toMatchObject({ status: 422, body: { code: 'idempotency-key-reused' } })
  })

  test('is of one source and one route', async () => {
    bed.putSource({ sourceId: 'src_twin' })
    const answers = [
      await send('k-4'),
      await send('k-4', events, '/ingest/events?sourceId=src_twin'),
      await send('k-4', events, '/overlay/events/ingest?sourceId=src_demo'),
    ]
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  })

  test.each(['a b', 'x'.repeat(257)])('is refused where it is no key', async key => {
    expect(await send(key)).toMatchObject({ status: 400, body: { code: 'bad-request' } })
  })
})
