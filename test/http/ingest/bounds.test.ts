import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AcceptOutcome, type AcceptRefusal, readReceived } from '../../../src/ingest/arrived.ts'
import { type IngestBed, openIngestBed, post } from '../../support/ingest-bed.ts'
import { until } from '../../support/until.ts'
import { converse, exchange, HttpClient } from '../raw-http.ts'

const ndjson = { 'content-type': 'application/x-ndjson' }
const line = (n: number) => `${JSON.stringify({ timestamp: 1_000_000 + n, n })}\n`

let bed: IngestBed
let client: HttpClient
/** What the next batches are refused with, one after the other. */
let refusals: AcceptRefusal[] = []
let broken: Error | undefined
let batches: number[] = []
/** Payloads that have been offered to the log. */
const seen = new Set<string>()
beforeAll(async () => {
  bed = await openIngestBed({
    limits: {
      bodyBytesMax: 200_000,
      streamedBytesMin: 10_000,
      // Longer than a busy machine pauses a sender that is not silent at all.
      silenceMsMax: 3_000,
      bodyMsMax: 5_000,
      batchItemsMax: 100,
      itemAnswersMax: 250,
      streamsAtOnceMax: 3,
      streamsPerAddressMax: 2,
      waitSecondsMax: 2,
    },
    accept: accept => async arrived => {
      const refusal = refusals.shift()
      if (refusal !== undefined) return { kind: 'refused', refusal } satisfies AcceptOutcome
      if (broken !== undefined) throw broken
      batches.push(arrived.items.length)
      for (const item of arrived.items) {
        const { submission } = readReceived(item)
        if (submission.ok) seen.add(JSON.stringify(submission.value.payload))
      }
      return accept(arrived)
    },
  })
  bed.putSource({ sourceId: 'open' })
  bed.putSource({ sourceId: 'hooked', authentication: 'hmac' })
  client = new HttpClient(bed.port)
}, 60_000)
afterAll(async () => {
  client.close()
  await bed.end()
})

async function accepted(): Promise<number> {
  const { rows } = await bed.log.database.pool.query(
    'select coalesce(sum(next_seq), 0)::int as n from partition_heads',
  )
  return rows[0].n
}

const stream = async (pieces: readonly Uint8Array[], headers = {}, query = '?sourceId=open') => {
  const answer = await client.send({
    path: `/ingest/events${query}`,
    headers: { ...ndjson, ...headers },
    body: pieces,
  })
  return { ...answer, json: () => JSON.parse(answer.body.toString()) }
}

const chunkedHead = [
  'POST /ingest/events?sourceId=open HTTP/1.1',
  'Host: x',
  'Content-Type: application/x-ndjson',
  'Transfer-Encoding: chunked',
  'Connection: close',
  '',
  '',
].join('\r\n')

describe('a body of unknown length', () => {
  test('is taken in batches, in order, and answered up to a bound', async () => {
    batches = []
    const all = Array.from({ length: 3000 }, (_, n) => Buffer.from(line(10_000 + n)))
    const { status, json } = await stream(all)
    const answer = json()
    expect([status, answer.count, answer.itemsTruncated]).toEqual([200, 3000, true])
    expect([answer.items.length, answer.inserted.length]).toEqual([250, 250])
    const first = answer.items[0].seq
    expect(answer.items.map(({ seq }: { seq: number }) => seq - first)).toEqual(
      Array.from({ length: 250 }, (_, n) => n),
    )
    expect(Math.max(...batches)).toBeLessThanOrEqual(100)
  })

  test('is answered line by line, with the sum last, where that is accepted', async () => {
    const all = Array.from({ length: 1000 }, (_, n) => Buffer.from(line(20_000 + n)))
    const { status, body } = await stream(all, { accept: 'application/x-ndjson' })
    const lines = body
      .toString()
      .trim()
      .split('\n')
      .map(each => JSON.parse(each))
    expect([status, lines.length]).toEqual([200, 1001])
    expect(lines.slice(0, -1).map(({ item }) => item)).toEqual(Array.from({ length: 1000 }, (_, n) => n))
    expect(lines.at(-1)).toMatchObject({ summary: true, status: 'ok', count: 1000 })
  })

  test('that ends in the middle keeps what is durable, and says how much', async () => {
    const before = await accepted()
    const [answer] = await exchange(bed.port, socket => {
      socket.write(chunkedHead)
      const text = Array.from({ length: 8000 }, (_, n) => line(30_000 + n)).join('')
      socket.write(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n5\r\n{"n":`)
    })
    const problem = JSON.parse(answer?.body.toString() ?? '')
    expect([answer?.status, problem.code]).toEqual([408, 'body-timeout'])
    expect(problem.nextItem).toBeGreaterThan(0)
    expect(problem.counts.accepted).toBe(problem.nextItem)
    expect(await accepted()).toBe(before + problem.nextItem)
  })

  test('keeps what came before its client left', async () => {
    const before = await accepted()
    await exchange(bed.port, socket => {
      const text = Array.from({ length: 8000 }, (_, n) => line(40_000 + n)).join('')
      socket.write(chunkedHead)
      socket.write(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`)
      void until(async () => (await accepted()) > before).then(() => socket.resetAndDestroy())
    })
    await until(async () => (await accepted()) > before)
    expect(bed.failures).toEqual([])
  })

  test('waits its turn where there is too much at once', async () => {
    refusals = [{ why: 'rate', limit: 'eventsPerSecond', retryAfterS: 0 }]
    const { status, json } = await stream([Buffer.from(line(50_000))])
    expect([status, json().count]).toEqual([200, 1])
  })

  test('ends where a quota does, and says where to go on', async () => {
    const pieces = Array.from({ length: 6000 }, (_, n) => Buffer.from(line(60_000 + n)))
    const sent = stream(pieces)
    // The first batch passes.
    await until(() => seen.has(line(60_000).trim()))
    // More than one: a stream whose client has left may still be at its last batches.
    refusals = Array.from({ length: 10 }, () => ({ why: 'quota', limit: 'eventsPerDay', retryAfterS: 77 }))
    const { status, headers, json } = await sent
    const problem = json()
    refusals = []
    expect([status, headers['retry-after'], problem.code, problem.retryable]).toEqual([
      429,
      '77',
      'quota-exceeded',
      true,
    ])
    expect(problem.nextItem).toBe(problem.counts.accepted)
    expect(problem.nextItem).toBeGreaterThan(0)
  })

  test('leaves places to others', async () => {
    type Begun = { readonly answered: ReturnType<typeof exchange>; end(): void }
    const begin = async (from: number): Promise<Begun> => {
      let end = () => {}
      const answered = exchange(bed.port, socket => {
        socket.write(chunkedHead)
        const text = Array.from({ length: 4000 }, (_, n) => line(from + n)).join('')
        socket.write(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`)
        // Never silent for long, and never done.
        const drip = setInterval(() => socket.write('1\r\n\n\r\n'), 50)
        end = () => {
          clearInterval(drip)
          socket.write('0\r\n\r\n')
        }
      })
      const early = answered.then(([answer]) => answer)
      const first = await Promise.race([until(() => seen.has(line(from).trim())), early])
      if (first === true) return { answered, end: () => end() }
      end()
      // Somebody who left before may still have a place.
      expect(first?.status).toBe(503)
      return begin(from)
    }
    const two = [await begin(700_000), await begin(710_000)]
    const refused = await stream([Buffer.from(line(70_000))])
    expect(refused.json()).toMatchObject({ code: 'busy', retryable: true })
    expect(refused.headers['retry-after']).toBe('5')
    for (const each of two) each.end()
    const answers = await Promise.all(two.map(each => each.answered))
    expect(answers.map(([answer]) => answer?.status)).toEqual([200, 200])
    expect((await stream([Buffer.from(line(70_001))])).status).toBe(200)
  })

  test('is read whole where it is signed, or has a key, and then has a bound', async () => {
    const long = [Buffer.alloc(150_000, 0x20), Buffer.alloc(150_000, 0x20)]
    expect((await stream(long, {}, '?sourceId=hooked')).json()).toMatchObject({
      status: 413,
      code: 'body-too-large',
      hint: expect.stringContaining('smaller requests'),
    })
    expect((await stream(long, { 'idempotency-key': 'k' })).status).toBe(413)
    expect((await stream(long)).status).toBe(200)
  })
})

describe('a body that is read whole', () => {
  test.each([
    ['announced', 'Content-Length: 100', '{"sourceId":'],
    ['in chunks', 'Transfer-Encoding: chunked', '5\r\n{"sou\r\n'],
  ])('is given up where the rest of it does not come, %s', async (_, header, part) => {
    const impatient = await bed.another({ limits: { silenceMsMax: 300 } })
    const [answer] = await exchange(impatient.port, socket =>
      socket.write(
        `POST /ingest/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n${header}\r\n\r\n${part}`,
      ),
    )
    expect(answer?.status).toBe(408)
    expect(JSON.parse(answer?.body.toString() ?? '')).toMatchObject({ code: 'body-timeout', retryable: true })
  })

  test('is nobody’s failure where its client leaves before it is answered', async () => {
    batches = []
    const before = await accepted()
    const body = JSON.stringify(Array.from({ length: 3000 }, (_, n) => ({ timestamp: 1000, left: n })))
    await converse(bed.port, socket => {
      socket.write(
        'POST /ingest/events?sourceId=open HTTP/1.1\r\nHost: x\r\nAccept: application/x-ndjson\r\n',
      )
      socket.write(`Content-Length: ${body.length}\r\n\r\n${body}`)
      void until(() => batches.length > 0).then(() => socket.resetAndDestroy())
    })
    // What it had read of the answer is durable, and one batch more at most.
    await until(async () => (await accepted()) === before + batches.reduce((sum, n) => sum + n, 0))
    expect((await post(`${bed.url}/ingest/events?sourceId=open`, [])).status).toBe(200)
    expect(batches.length).toBeLessThan(30)
    expect(bed.failures).toEqual([])
  })

  test('is unpacked within a bound', async () => {
    const send = (body: Uint8Array) =>
      client.send({
        path: '/ingest/events',
        headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
        body,
      })
    const small = JSON.stringify({ sourceId: 'open', events: [{ timestamp: 1, n: 'packed' }] })
    expect((await send(gzipSync(small))).status).toBe(200)
    expect((await send(gzipSync(Buffer.alloc(10_000_000, 0x20)))).status).toBe(413)
  })

  test('goes to the log in batches where it is long, so that others have their turn', async () => {
    batches = []
    const events = Array.from({ length: 230 }, (_, n) => ({ timestamp: 80_000 + n, n }))
    const { body } = await post(`${bed.url}/ingest/events`, { sourceId: 'open', events })
    expect(body['count']).toBe(230)
    expect(batches).toEqual([100, 100, 30])
  })

  test('goes to the log together under a key', async () => {
    batches = []
    const events = Array.from({ length: 230 }, (_, n) => ({ timestamp: 90_000 + n, n }))
    await post(`${bed.url}/ingest/events`, { sourceId: 'open', events }, { 'idempotency-key': 'together' })
    expect(batches).toEqual([230])
  })
})

describe('a node that cannot take more', () => {
  const send = () => post(`${bed.url}/ingest/events`, { sourceId: 'open', events: [{ timestamp: 1, n: 1 }] })

  test.each([
    ['backlog', 'backlog'],
    ['disk', 'storage-full'],
  ] as const)('says so before it reads a body: %s', async (why, code) => {
    bed.pressure.refusal = { why, retryAfterS: 3 }
    bed.pressure.counted.length = 0
    const [answer] = await exchange(bed.port, socket =>
      socket.write(
        'POST /ingest/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n',
      ),
    )
    delete bed.pressure.refusal
    expect([answer?.status, answer?.headers['retry-after']]).toEqual([503, '3'])
    expect(bed.pressure.counted).toEqual([{ why, retryAfterS: 3 }])
    expect(JSON.parse(answer?.body.toString() ?? '')).toMatchObject({ code, retryable: true })
  })

  test.each([
    [{ why: 'rate', limit: 'requestsPerSecond', retryAfterS: 0.2 }, 429, 'rate-limited', '1'],
    [{ why: 'backlog', retryAfterS: 2 }, 503, 'backlog', '2'],
    [{ why: 'unknown-stream', streamId: 'x' }, 404, 'stream-not-found', null],
    [{ why: 'unpublished', streamId: 'x' }, 403, 'stream-unpublished', null],
  ] as const)('passes on why nothing was accepted: %o', async (refusal, status, code, retryAfter) => {
    refusals = [refusal]
    const answer = await send()
    expect([answer.status, answer.body['code'], answer.headers.get('retry-after')]).toEqual([
      status,
      code,
      retryAfter,
    ])
  })

  test('takes nothing where it is told not to', async () => {
    const off = await bed.another({ settings: { enabled: false } })
    expect(await post(`${off.url}/ingest/events`, {})).toMatchObject({
      status: 503,
      body: { code: 'ingestion-disabled' },
    })
  })

  test('says nothing of its insides', async () => {
    broken = new Error('a secret of ours')
    const answer = await send()
    broken = undefined
    expect([answer.status, answer.body['error']]).toEqual([500, 'ingest-failed'])
    expect(JSON.stringify(answer.body)).not.toContain('secret')
    expect(bed.failures.splice(0)).toEqual([new Error('a secret of ours')])
  })
})
