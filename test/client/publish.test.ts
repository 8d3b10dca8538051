import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type ItemOutcome,
  openPublisher,
  PublishError,
  type PublisherOptions,
  type Refusal,
  type Signing,
} from '../../src/client/index.ts'
import { pause, pauseAfter, retryAfterMs } from '../../src/client/pause.ts'
import { toHex } from '../../src/core/bytes.ts'
import { type IngestBed, openIngestBed } from '../support/ingest-bed.ts'
import { party } from '../support/pipeline.ts'
import { authFetchOf } from '../support/stock-auth.ts'

const [publisherKey, strangerKey] = [party('a publisher'), party('somebody else')]
const secret = randomBytes(32)
const authFetch = authFetchOf(publisherKey)

let bed: IngestBed
let count = 0
beforeAll(async () => {
  bed = await openIngestBed()
  const { identityKey } = publisherKey
  bed.putSource({ sourceId: 'open' })
  bed.putSource({ sourceId: 'hooked', authentication: 'hmac' })
  bed.putSecrets('hooked', [secret])
  bed.putSource({ sourceId: 'signed', authentication: 'legacy', identityKey })
  bed.putSource({ sourceId: 'proven', authentication: 'brc104', identityKey })
  bed.putSource({ sourceId: 'lenient', unknownStream: 'quarantine' })
  bed.putSource({ sourceId: 'slow', limits: { requestsPerSecond: 1 } })
}, 60_000)
afterAll(async () => {
  await bed.end()
  expect(bed.failures).toEqual([])
})

/** Never the same twice. */
const event = (more: object = {}) => ({ timestamp: ++count, n: count, ...more })

/** A publisher whose requests are counted, and of which some come to nothing. */
function publisherTo(options: Partial<PublisherOptions> & { readonly sourceId: string }) {
  const requests: { readonly key: string; readonly bytes: number; readonly encoding: string }[] = []
  const retries: { readonly refusal: Refusal; readonly againInMs: number }[] = []
  const publisher = openPublisher({
    url: bed.url,
    async fetch(url, init) {
      const headers = new Headers(init?.headers)
      const bytes = (await new Response(init?.body ?? '').arrayBuffer()).byteLength
      const key = headers.get('idempotency-key') ?? headers.get('webhook-id') ?? ''
      requests.push({ key, bytes, encoding: headers.get('content-encoding') ?? '' })
      return (options.fetch ?? fetch)(url, init)
    },
    ...{ patienceMs: 20_000, onRetry: (refusal, againInMs) => void retries.push({ refusal, againInMs }) },
    ...withoutFetch(options),
  })
  return { publisher, requests, retries }
}

function withoutFetch({ fetch: _, ...others }: Partial<PublisherOptions> & { readonly sourceId: string }) {
  return others
}

const refusalOf = (sent: Promise<ItemOutcome>): Promise<Refusal | ItemOutcome> =>
  sent.catch((error: unknown) => {
    if (error instanceof PublishError) return error.refusal
    throw error
  })

describe('a publisher', () => {
  test('sends in batches, packed, and in order', async () => {
    const { publisher, requests } = publisherTo({ sourceId: 'open', batch: { events: 100 } })
    const sent = Array.from({ length: 250 }, () => publisher.send(event({ word: 'again and again' })))
    await publisher.close()
    const outcomes = await Promise.all(sent)
    const seqs = outcomes.map(outcome => ('seq' in outcome ? outcome.seq : -1))
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['accepted']))
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b))
    expect(new Set(seqs).size).toBe(250)
    expect(requests.map(({ encoding }) => encoding)).toEqual(['gzip', 'gzip', 'gzip'])
    expect(new Set(requests.map(({ key }) => key)).size).toBe(3)
    expect(await refusalOf(publisher.send(event()))).toMatchObject({ code: 'closed' })
  })

  test('ends a batch by its bytes too, and sends what is larger by itself', async () => {
    const { publisher, requests } = publisherTo({
      sourceId: 'open',
      batch: { bytes: 1_000 },
      compress: false,
    })
    const sent = [300, 300, 300, 300, 5_000].map(length =>
      publisher.send(event({ word: 'x'.repeat(length) })),
    )
    await publisher.flush()
    expect((await Promise.all(sent)).map(({ status }) => status)).toEqual(Array(5).fill('accepted'))
    expect(requests.map(({ bytes }) => Math.round(bytes / 1_000))).toEqual([1, 1, 5])
    await publisher.close()
  })

  test('says of each event what has become of it', async () => {
    const { publisher } = publisherTo({ sourceId: 'open' })
    const known = { eventType: 'reading', externalId: 'known', data: { celsius: 20 } }
    const [first, again, changed, none] = await Promise.all([
      publisher.send(known),
      publisher.send(known),
      publisher.send({ ...known, data: { celsius: 21 } }),
      publisher.send([1]),
    ])
    const eventId = 'eventId' in first ? first.eventId : ''
    expect(first).toMatchObject({ status: 'accepted', dedup: 'native-id', externalId: 'known' })
    expect(again).toMatchObject({ status: 'duplicate', eventId })
    expect(none).toMatchObject({ status: 'rejected', code: 'event-unreadable' })
    expect(changed).toMatchObject({ status: 'revision', revises: eventId })
    await publisher.close()
    const { publisher: elsewhere } = publisherTo({ sourceId: 'lenient', streamId: 'elsewhere' })
    expect(await elsewhere.send(event())).toMatchObject({ status: 'quarantined', reason: 'unknown-stream' })
    await elsewhere.close()
  })

  const privateKey = toHex(publisherKey.privateKey)
  const profiles: readonly [string, string, Signing][] = [
    ['not at all', 'open', { by: 'none' }],
    ['as in Standard Webhooks', 'hooked', { by: 'hmac', secret: `whsec_${secret.toString('base64')}` }],
    ['in the older way, version 2', 'signed', { by: 'legacy', privateKey }],
    ['in the older way, version 1', 'signed', { by: 'legacy', privateKey, version: 1 }],
    [
      'under BRC-104, by the stock client',
      'proven',
      { by: 'brc104', fetch: (...args) => authFetch.fetch(...args) },
    ],
  ]
  test.each(profiles)('signs %s', async (_, sourceId, signing) => {
    const { publisher } = publisherTo({ sourceId, signing, streamId: 'readings', level: 'basic' })
    const sent = Array.from({ length: 30 }, () => publisher.send(event({ word: 'ähnlich' })))
    await publisher.close()
    expect((await Promise.all(sent)).map(({ status }) => status)).toEqual(Array(30).fill('accepted'))
  })

  test.each([
    ['hooked', { by: 'hmac', secret: `whsec_${randomBytes(32).toString('base64')}` }, 'signature-invalid'],
    ['hooked', { by: 'none' }, 'signature-missing'],
    ['signed', { by: 'legacy', privateKey: toHex(strangerKey.privateKey) }, 'identity-mismatch'],
    ['nobody', { by: 'none' }, 'source-not-found-or-disabled'],
  ] as const)('is refused as %s, signing %j: %s', async (sourceId, signing, code) => {
    const { publisher, retries } = publisherTo({ sourceId, signing })
    expect(await refusalOf(publisher.send(event()))).toMatchObject({ code, retryable: false })
    expect(retries).toEqual([])
    await publisher.close()
  })

  test('refuses secrets and keys that are none before anything is sent', () => {
    for (const signing of [
      { by: 'hmac', secret: 'whsec_' },
      { by: 'legacy', privateKey: '12' },
    ] as const)
      expect(() => openPublisher({ url: bed.url, sourceId: 'open', signing })).toThrow(TypeError)
  })

  test('repeats what was taken while its answer was lost, and has the first answer', async () => {
    let answers = 0
    const { publisher, requests, retries } = publisherTo({
      sourceId: 'open',
      async fetch(url, init) {
        const response = await fetch(url, init)
        if (++answers > 1) return response
        await response.arrayBuffer()
        throw new TypeError('fetch failed', { cause: new Error('the connection was cut off') })
      },
    })
    const sent = Array.from({ length: 3 }, () => publisher.send({ word: 'without id or time' }))
    const outcomes = await Promise.all(sent)
    expect(outcomes.map(({ status }) => status)).toEqual(['accepted', 'accepted', 'accepted'])
    expect(retries.map(({ refusal }) => refusal)).toMatchObject([
      { code: 'unreachable', detail: 'the connection was cut off' },
    ])
    expect(requests).toHaveLength(2)
    expect(new Set(requests.map(({ key }) => key)).size).toBe(1)
    const { rows } = await bed.log.database.pool.query(
      `select sum(count)::int as events from (select count from segments where lines::text like '%' || encode('without id or time', 'hex') || '%') as taken`,
    )
    expect(rows).toEqual([{ events: 3 }])
    await publisher.close()
  })

  test('waits as long as a node without room asks for, and sends the same again', async () => {
    bed.pressure.refusal = { why: 'backlog', retryAfterS: 1 }
    const retries: number[] = []
    const publisher = openPublisher({
      ...{ url: bed.url, sourceId: 'open' },
      onRetry({ code, retryAfterMs }, againInMs) {
        expect([code, retryAfterMs]).toEqual(['backlog', 1_000])
        retries.push(againInMs)
        delete bed.pressure.refusal
      },
    })
    expect(await publisher.send(event())).toMatchObject({ status: 'accepted' })
    expect(retries).toHaveLength(1)
    expect(retries[0]).toBeGreaterThanOrEqual(1_000)
    await publisher.close()
  })

  test('goes slower where its source may not send more', async () => {
    const codes: string[] = []
    const publisher = openPublisher({
      ...{ url: bed.url, sourceId: 'slow', batch: { events: 1 } },
      onRetry({ code }) {
        codes.push(code)
        // The clock of the bed stands still.
        bed.log.clock.ms += 1_000
      },
    })
    const outcomes = await Promise.all([publisher.send(event()), publisher.send(event())])
    expect(outcomes.map(({ status }) => status)).toEqual(['accepted', 'accepted'])
    expect(codes).toEqual(['rate-limited'])
    await publisher.close()
  })

  test.each([200, 503])('does not wait for the end of an answer %i that has none', async status => {
    let answers = 0
    const { publisher, retries } = publisherTo({
      ...{ sourceId: 'open', answerMs: 300 },
      async fetch(url, init) {
        if (++answers > 1) return fetch(url, init)
        // Which its signal does not reach.
        return new Response(new ReadableStream({ pull: () => new Promise(() => {}) }), { status })
      },
    })
    expect(await publisher.send(event())).toMatchObject({ status: 'accepted' })
    expect(retries.map(({ refusal }) => refusal)).toMatchObject([
      { code: 'unreachable', detail: 'the node has not answered in 300 ms' },
    ])
    await publisher.close()
  })

  test('gives up once its patience is over', async () => {
    const { publisher } = publisherTo({ sourceId: 'open', url: 'http://127.0.0.1:9', patienceMs: 300 })
    expect(await refusalOf(publisher.send(event()))).toMatchObject({ code: 'unreachable', retryable: true })
    await publisher.close()
  })

  test('holds no more than it may, and says when there is room', async () => {
    const { publisher } = publisherTo({ sourceId: 'open', bufferedBytesMax: 1_000 })
    const sent = [publisher.send(event({ word: 'x'.repeat(700) }))]
    expect(await refusalOf(publisher.send(event({ word: 'x'.repeat(700) })))).toMatchObject({
      code: 'buffer-full',
    })
    await publisher.room()
    sent.push(publisher.send(event({ word: 'x'.repeat(700) })))
    expect((await Promise.all(sent)).map(({ status }) => status)).toEqual(['accepted', 'accepted'])
    expect(await refusalOf(publisher.send({ n: 1n }))).toMatchObject({ code: 'event-unwritable' })
    await publisher.close()
  })
})

describe('a pause', () => {
  const bounds = { firstMs: 100, longestMs: 1_000 }

  test('doubles up to its bound, and is never the same for all who were cut off together', () => {
    expect([1, 2, 3, 4, 5, 9].map(failures => pauseAfter(failures, 1, bounds))).toEqual([
      100, 200, 400, 800, 1_000, 1_000,
    ])
    expect([0, 0.5, 1].map(chance => pauseAfter(3, chance, bounds))).toEqual([200, 300, 400])
  })

  test('of a month is one, and ends when it is told to', async () => {
    const stop = new AbortController()
    let isOver = false
    const month = pause(30 * 24 * 3_600_000, stop.signal).then(() => {
      isOver = true
    })
    await pause(50)
    expect(isOver).toBe(false)
    stop.abort()
    await month
  })

  test('is as long as a server asks for, and then some', () => {
    expect([0, 1].map(chance => pauseAfter(1, chance, bounds, 5_000))).toEqual([5_000, 5_050])
    const at = Date.UTC(2027, 0, 15, 8)
    const said = (value: string) => retryAfterMs(new Headers({ 'retry-after': value }), at)
    expect([said('3'), said('Fri, 15 Jan 2027 08:00:07 GMT'), said('soon')]).toEqual([
      3_000,
      7_000,
      undefined,
    ])
    expect(retryAfterMs(new Headers(), at)).toBeUndefined()
  })
})
