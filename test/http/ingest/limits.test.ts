import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Full } from '../../../src/ingest/arrived.ts'
import { type IngestBed, openIngestBed, post } from '../../support/ingest-bed.ts'
import { exchange, HttpClient } from '../raw-http.ts'

let bed: IngestBed
let client: HttpClient
/** Events of each offer that was taken. */
let offers: number[]
/** Time goes on for those who wait for it, and else stands. */
let timePasses: boolean
/** What happens once the first offer is in. */
let onTaken: (() => void) | undefined
beforeAll(async () => {
  bed = await openIngestBed({
    limits: { streamedBytesMin: 10_000, waitSecondsMax: 3 },
    accept: accept => async arrived => {
      const outcome = await accept(arrived)
      if (outcome.kind === 'refused') {
        const { refusal } = outcome
        if (timePasses && refusal.why === 'rate') bed.log.clock.ms += 1000 * refusal.retryAfterS
      } else {
        offers.push(arrived.items.length)
        onTaken?.()
        onTaken = undefined
      }
      return outcome
    },
  })
  client = new HttpClient(bed.port)
}, 60_000)
beforeEach(() => {
  offers = []
  timePasses = true
  onTaken = undefined
  bed.log.clock.ms += 60_000
})
afterAll(async () => {
  client.close()
  await bed.end()
})

let count = 0
const events = (length: number) => Array.from({ length }, () => ({ timestamp: ++count, n: count }))
const linesOf = (length: number) =>
  events(length)
    .map(event => `${JSON.stringify(event)}\n`)
    .join('')
const url = (sourceId: string) => `${bed.url}/ingest/events?sourceId=${sourceId}`
const stream = async (sourceId: string, body: string) => {
  const headers = { 'content-type': 'application/x-ndjson' }
  const path = `/ingest/events?sourceId=${sourceId}`
  const answer = await client.send({ path, headers, body: [Buffer.from(body)] })
  return { status: answer.status, body: JSON.parse(answer.body.toString()) }
}

describe('a source that may have so many events in a second', () => {
  beforeAll(() => bed.putSource({ sourceId: 'slow', limits: { eventsPerSecond: 500 } }))

  test('is slowed down where it sends more of them in lines', async () => {
    const { status, body } = await stream('slow', linesOf(1_200))
    expect([status, body.count]).toEqual([200, 1_200])
    expect(Math.max(...offers)).toBeLessThanOrEqual(500)
  })

  test('is slowed down where it sends more of them in one body', async () => {
    const { status, body } = await post(url('slow'), events(501))
    expect([status, body['count'], offers]).toEqual([200, 501, [500, 1]])
  })

  test('is told at once where a body could not even begin', async () => {
    timePasses = false
    expect((await post(url('slow'), events(500))).status).toBe(200)
    const refused = await post(url('slow'), events(1))
    expect(refused).toMatchObject({ status: 429, body: { code: 'rate-limited', retryable: true } })
    expect(refused.body).not.toHaveProperty('nextItem')
  })

  test('is told where to go on, where a body would take longer than it may wait here', async () => {
    bed.putSource({ sourceId: 'slower', limits: { eventsPerSecond: 1 } })
    const { status, body } = await post(url('slower'), events(6))
    expect([status, body['nextItem'], offers]).toEqual([429, 4, [1, 1, 1, 1]])
  })

  test('may send more of them under one key, and waits for it afterwards', async () => {
    timePasses = false
    const { status, body } = await post(url('slow'), events(1_200), { 'idempotency-key': 'together' })
    expect([status, body['count'], offers]).toEqual([200, 1_200, [1_200]])
    const refused = await post(url('slow'), events(1), { 'idempotency-key': 'another' })
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '2'])
    bed.log.clock.ms += 2_000
    expect((await post(url('slow'), events(300), { 'idempotency-key': 'another' })).status).toBe(200)
  })

  test('is bounded by its stream where that may have fewer', async () => {
    await bed.log.putStream({ streamId: 'narrow', limits: { eventsPerSecond: 200 } })
    bed.putSource({ sourceId: 'slow-and-narrow', streams: ['narrow'], limits: { eventsPerSecond: 500 } })
    expect((await post(url('slow-and-narrow'), events(450))).status).toBe(200)
    expect(offers).toEqual([200, 200, 50])
  })
})

describe('a route by which each source may send so much', () => {
  let limited: { readonly url: string }
  let second: { readonly url: string }
  beforeAll(async () => {
    const routeLimits = {
      '/ingest/events': { eventsPerSecond: 300 },
      '/overlay/events/ingest': { eventsPerSecond: 300 },
    }
    const options = { settings: { routeLimits } }
    limited = await bed.another(options)
    second = await bed.another(options)
    for (const sourceId of ['by-route', 'by-route-too']) bed.putSource({ sourceId })
  })
  const at = ({ url }: { readonly url: string }, path: string, sourceId: string) =>
    `${url}${path}?sourceId=${sourceId}`

  test('takes no more of it, at all nodes together, and says why', async () => {
    timePasses = false
    expect((await post(at(limited, '/ingest/events', 'by-route'), events(300))).status).toBe(200)
    const refused = await post(at(second, '/ingest/events', 'by-route'), events(1))
    expect(refused).toMatchObject({ status: 429, body: { code: 'rate-limited', retryable: true } })
    expect(refused.body['detail']).toContain(
      '300 events per second of route /ingest/events of source by-route',
    )
  })

  test('leaves room for other sources, and for the same one by another route', async () => {
    timePasses = false
    expect((await post(at(limited, '/ingest/events', 'by-route'), events(300))).status).toBe(200)
    expect((await post(at(limited, '/ingest/events', 'by-route-too'), events(300))).status).toBe(200)
    expect((await post(at(limited, '/overlay/events/ingest', 'by-route'), events(300))).status).toBe(200)
  })

  test('is not counted with a source that is called like it', async () => {
    timePasses = false
    const sourceId = 'by-route at /ingest/events'
    bed.putSource({ sourceId, limits: { eventsPerSecond: 300 } })
    expect((await post(at(limited, '/ingest/events', 'by-route'), events(300))).status).toBe(200)
    expect(
      (await post(at(limited, '/overlay/events/ingest', encodeURIComponent(sourceId)), events(300))).status,
    ).toBe(200)
  })

  test('slows a longer body down as a limit of its source does', async () => {
    expect((await post(at(limited, '/ingest/events', 'by-route'), events(450))).status).toBe(200)
    expect(offers).toEqual([300, 150])
  })

  test('slows one down that is worked on as it comes', async () => {
    // Of no length that anybody has said.
    const body = new Blob([linesOf(450)]).stream()
    const headers = { 'content-type': 'application/x-ndjson' }
    const answer = await fetch(at(limited, '/ingest/events', 'by-route'), {
      ...{ method: 'POST', headers, body, duplex: 'half' },
    })
    expect([answer.status, offers]).toEqual([200, [300, 150]])
  })
})

test('a request counts once, however long it is', async () => {
  bed.putSource({ sourceId: 'seldom', limits: { requestsPerSecond: 1 } })
  timePasses = false
  const { status, body } = await post(url('seldom'), events(3_500))
  expect([status, body['count']]).toEqual([200, 3_500])
  expect((await post(url('seldom'), events(1))).status).toBe(429)
})

describe('a body that is worked on as it comes', () => {
  beforeAll(() => bed.putSource({ sourceId: 'open' }))
  const head = [
    'POST /ingest/events?sourceId=open HTTP/1.1',
    'Host: x',
    'Content-Type: application/x-ndjson',
    'Transfer-Encoding: chunked',
    'Connection: close',
    '',
    '',
  ].join('\r\n')
  const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`

  /** What is asked of the node's room from the second batch on is answered by this. */
  async function sendWhile(refusal: () => Full | undefined) {
    bed.pressure.counted.length = 0
    onTaken = () => Object.defineProperty(bed.pressure, 'refusal', { configurable: true, get: refusal })
    try {
      const [answer] = await exchange(bed.port, socket => {
        socket.write(`${head}${chunk(linesOf(8_000))}0\r\n\r\n`)
      })
      return { status: answer?.status, body: JSON.parse(answer?.body.toString() ?? '') }
    } finally {
      Object.defineProperty(bed.pressure, 'refusal', { configurable: true, writable: true, value: undefined })
    }
  }

  test('ends where the disk has no room any more, and says how much was taken', async () => {
    const { status, body } = await sendWhile(() => ({ why: 'disk', retryAfterS: 60 }))
    expect([status, body.code, offers]).toEqual([503, 'storage-full', [body.nextItem]])
    expect(body.counts.accepted).toBe(body.nextItem)
    expect(bed.pressure.counted).toEqual([{ why: 'disk', retryAfterS: 60 }])
  })

  test('waits where too many events do', async () => {
    let asked = 0
    const { status, body } = await sendWhile(() =>
      ++asked === 1 ? { why: 'backlog', retryAfterS: 1 } : undefined,
    )
    expect([status, body.count]).toEqual([200, 8_000])
    expect(asked).toBeGreaterThan(1)
    expect(bed.pressure.counted).toEqual([])
  })

  test('ends where they wait for longer than it may', async () => {
    const { status, body } = await sendWhile(() => ({ why: 'backlog', retryAfterS: 2 }))
    expect([status, body.code, offers]).toEqual([503, 'backlog', [body.nextItem]])
    expect(bed.pressure.counted).toEqual([{ why: 'backlog', retryAfterS: 2 }])
  })
})

describe('a stream that a source may not write to', () => {
  const secret = 'gitdata.secret.alpha'
  const ask = (sourceId: string, streamId: string, items: readonly unknown[]) =>
    post(`${bed.url}/overlay/events/ingest`, {
      ...{ sourceId, streamId, events: items },
      processingOptions: { distributionTopics: [secret] },
    })
  beforeAll(async () => {
    bed.putSource({ sourceId: 'curious' })
    bed.putSource({ sourceId: 'curious-and-lenient', unknownStream: 'quarantine' })
    const stream = await bed.log.putStream({ streamId: 'theirs' })
    bed.log.streams.set('theirs', { ...stream, tenantId: 'other', topics: [secret] })
  })

  test.each(['theirs', 'nowhere'])('is not found by a request without events either: %s', async streamId => {
    const { status, body } = await ask('curious', streamId, [])
    expect([status, body['code']]).toEqual([404, 'stream-not-found'])
  })

  test.each([[[]], [[{ timestamp: 1, n: 'held' }]]])(
    'tells nothing of its topics where events for it are held: %j',
    async items => {
      const { status, body } = await ask('curious-and-lenient', 'theirs', items)
      expect(status).toBe(200)
      expect(body['overlayMetadata']).toMatchObject({ topicsNotServed: [secret] })
    },
  )

  test('is one that takes nothing, also where nothing is sent', async () => {
    const stream = await bed.log.putStream({ streamId: 'planned' })
    bed.log.streams.set('planned', { ...stream, published: false })
    bed.putSource({ sourceId: 'early', streams: ['planned'] })
    expect(await ask('early', 'planned', [])).toMatchObject({ status: 403 })
  })
})
