import { randomUUID } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  openPublisherBed,
  type Publisher,
  type PublisherBed,
  publisherCalled,
} from '../../support/publisher-bed.ts'
import { until } from '../../support/until.ts'

let bed: PublisherBed
let publisher: Publisher
beforeAll(async () => {
  bed = await openPublisherBed()
  publisher = bed.as(publisherCalled('who has streams'))
}, 60_000)
afterAll(() => bed.end())

let sent = 0
async function post(path: string, secret: string, payload: object = { n: ++sent }) {
  const body = JSON.stringify({ events: [payload] })
  const [id, at] = [randomUUID(), new Date()]
  const answer = await fetch(bed.node.url + path, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign(id, at, body),
    },
  })
  return { status: answer.status, code: Object(await answer.json()).code }
}

describe('the keys of a feed', () => {
  test('change while it goes on posting, and nothing is refused in between', async () => {
    const { feed, secret } = await publisher.register()
    const path = String(feed['post'])
    let isOver = false
    const posting = (async () => {
      const statuses: number[] = []
      while (!isOver) statuses.push((await post(path, secret)).status)
      return statuses
    })()
    const rotated = await publisher.ask('POST', '/ingest/keys', { feedId: feed.feedId, overlapSeconds: 3600 })
    expect(rotated).toMatchObject({ status: 201, body: { number: 2, overlapSeconds: 3600 } })
    const newer = String(rotated.body['secret'])
    const taken = await until(async () => {
      const answer = await post(path, newer)
      return answer.status === 200 ? answer : undefined
    })
    expect(taken.status).toBe(200)
    isOver = true
    expect(new Set(await posting)).toEqual(new Set([200]))
    expect((await publisher.ask('GET', `/ingest/keys?feedId=${feed.feedId}`)).body).toMatchObject({
      keys: [
        { number: 2, status: 'active' },
        { number: 1, status: 'ending', endsAt: expect.any(String) },
      ],
    })

    const revoked = await publisher.ask('DELETE', `/ingest/keys/${feed.feedId}/1`)
    expect(revoked).toMatchObject({ status: 200, body: { revoked: true } })
    await until(async () => (await post(path, secret)).code === 'signature-invalid')
    expect(await post(path, newer)).toMatchObject({ status: 200 })
    expect(await publisher.ask('DELETE', `/ingest/keys/${feed.feedId}/9`)).toMatchObject({ status: 404 })
  })

  test('are taken from the networks of its allowlist alone', async () => {
    const { feed, secret } = await publisher.register()
    const path = `/ingest/keys/${feed.feedId}/allowlist`
    const put = await publisher.ask('PUT', path, { version: feed.version, allowlist: ['192.0.2.7'] })
    expect(put).toMatchObject({ status: 200, body: { allowlist: ['192.0.2.7/32'] } })
    await until(async () => (await post(String(feed['post']), secret)).status === 404)
    expect(await publisher.ask('PUT', path, { version: feed.version, allowlist: [] })).toMatchObject({
      status: 412,
    })
    const opened = { version: put.body['version'], allowlist: ['127.0.0.0/8', '::1'] }
    expect(await publisher.ask('PUT', path, opened)).toMatchObject({ status: 200 })
    await until(async () => (await post(String(feed['post']), secret)).status === 200)
  })
})

describe('a stream', () => {
  test('that is not published any more takes nothing, and is in no feed', async () => {
    const { feed, stream, secret } = await publisher.register()
    const path = String(feed['post'])
    const listed = async () => {
      const answer = await fetch(`${bed.node.url}/feed?stream=${stream.streamId}`)
      return Object(await answer.json()).items.length
    }
    expect(await post(path, secret)).toMatchObject({ status: 200 })
    await until(async () => (await listed()) === 1)
    const change = (version: unknown, published: boolean) =>
      publisher.ask('PATCH', `/publishers/streams/${stream.streamId}`, { version, published })
    const off = await change(stream.version, false)
    expect(off).toMatchObject({ status: 200, body: { stream: { published: false } } })
    await until(async () => (await post(path, secret)).code === 'stream-unpublished')
    await until(async () => (await listed()) === 0)
    const on = await change(Object(off.body['stream']).version, true)
    expect(on).toMatchObject({ status: 200 })
    await until(async () => (await post(path, secret)).status === 200)
    await until(async () => (await listed()) === 2)
  })

  test('counts what it takes against what it may take', async () => {
    const { feed, stream, secret } = await publisher.register({
      limits: { eventsPerDay: 2, bytesPerMonth: 9_999 },
    })
    const path = String(feed['post'])
    for (let n = 0; n < 2; n++) expect(await post(path, secret)).toMatchObject({ status: 200 })
    expect(await post(path, secret)).toMatchObject({ status: 429, code: 'quota-exceeded' })
    const usage = await publisher.ask('GET', `/publishers/feeds/${feed.feedId}/usage`)
    expect(usage.body).toMatchObject({
      windows: [
        { window: 'day', requests: 2, events: 2, eventsMax: 2 },
        { window: 'month', requests: 2, events: 2, bytesMax: 9_999 },
      ],
    })
    expect((await publisher.ask('GET', `/publishers/streams/${stream.streamId}/usage`)).body).toMatchObject({
      windows: [{ window: 'day', events: 2, eventsMax: 10_000_000 }, { window: 'month' }],
    })
  })

  test.each([
    [{ operators: [] }, '/operators'],
    [{ shards: { by: 'key', count: 9 } }, '/shards'],
    [{ aggregate: { windowMs: 1000 } }, '/aggregate'],
    [{ search: { fields: ['a'] } }, '/search'],
    [{ ownerKey: publisherCalled('somebody else').identityKey }, '/ownerKey'],
    [{ tenantId: 'acme' }, '/tenantId'],
    [{ policy: { v: 1 } }, '/policy'],
    [{ audience: 'restricted' }, '/audience'],
    [{ limits: { eventsPerSecond: 100_000 } }, '/limits/eventsPerSecond'],
    [{ readers: [publisherCalled('a reader').identityKey] }, '/readers'],
    [{ latenessMs: -1 }, '/latenessMs'],
    [{ level: 'supreme' }, '/level'],
  ])('is refused where it is not for its owner to say: %j', async (change, pointer) => {
    const { stream } = await publisherWithStream()
    const path = `/publishers/streams/${stream.streamId}`
    const refused = await publisher.ask('PATCH', path, { version: stream.version, ...change })
    expect(refused).toMatchObject({ status: 400, body: { pointer } })
    expect((await publisher.ask('GET', path)).body).toEqual(stream)
  })

  test('may be made by itself, and be for named readers', async () => {
    const reader = publisherCalled('a reader').identityKey
    const made = await publisher.ask('POST', '/publishers/streams', {
      ...{ name: 'Only for some', audience: 'restricted', readers: [reader], topics: ['gitdata.weather'] },
    })
    expect(made).toMatchObject({
      status: 201,
      body: { stream: { audience: 'restricted', readers: [reader], isYours: true, feeds: [] } },
    })
    const { streamId } = Object(made.body['stream'])
    const { feed } = await publisher.register({ streams: [streamId] })
    expect(feed).toMatchObject({ streams: [streamId] })
  })
})

let withStream: Promise<Awaited<ReturnType<Publisher['register']>>> | undefined
function publisherWithStream() {
  withStream ??= publisher.register({ name: 'unchanged' })
  return withStream
}

/** The smallest of what is compiled weighs 40. */
const manySchemas = Array.from({ length: 26 }, (_, n) => ({
  ...{ kind: 'schema', schema: { type: 'object', required: [`p${n}`] } },
}))

describe('the policy of a stream', () => {
  const policy = { v: 1, sources: { '*': { required: ['kwh'], coercion: { kwh: 'number' } } } }

  test('is tried before it is in force, on what is sent along and on what has come', async () => {
    const { feed, stream, secret } = await publisher.register()
    const path = `/publishers/streams/${stream.streamId}/policies`
    const tried = await publisher.ask('POST', `${path}/dry-run`, {
      policy,
      samples: [{ kwh: '7.5' }, { volts: 230 }, { eventType: 'reading' }],
    })
    expect(tried).toMatchObject({
      status: 200,
      body: {
        digest: expect.stringMatching(/^[0-9a-f]{64}$/),
        events: [
          {
            outcome: 'accepted',
            sent: { kwh: '7.5' },
            payload: { kwh: 7.5 },
            steps: [{ rule: 'as-sent' }, { rule: 'coercion:number', before: '7.5', after: 7.5 }],
            issues: [],
            fault: null,
          },
          { outcome: 'quarantined', issues: [{ text: 'required-missing:kwh' }] },
          { outcome: 'quarantined' },
        ],
      },
    })
    expect((await publisher.ask('GET', `/publishers/streams/${stream.streamId}`)).body).toEqual(stream)

    expect(await post(String(feed['post']), secret, { kwh: 'much' })).toMatchObject({ status: 200 })
    const recent = await until(async () => {
      const { body } = await publisher.ask('POST', `${path}/dry-run`, { policy, recent: 10 })
      return (body['events'] as unknown[]).length > 0 ? body : undefined
    })
    expect(recent['events']).toMatchObject([
      { sent: { kwh: 'much' }, outcome: 'quarantined', issues: [{ text: 'coercion-NaN:kwh:much' }] },
    ])
  })

  test('has versions, which can be compared, and put back', async () => {
    const { stream } = await publisher.register()
    const path = `/publishers/streams/${stream.streamId}/policies`
    const put = await publisher.ask('POST', path, { version: stream.version, policy })
    expect(put).toMatchObject({ status: 200, body: { stream: { policyNumber: 3, policyByDefault: false } } })
    expect(await publisher.ask('POST', path, { version: stream.version, policy })).toMatchObject({
      status: 412,
    })
    const { version } = Object(put.body['stream'])
    const back = await publisher.ask('POST', `${path}/rollback`, { version, to: 2 })
    // Version 2 was by default; put back, it is the owner's word.
    expect(back).toMatchObject({ status: 200, body: { stream: { policyNumber: 4, policyByDefault: false } } })
    const { versions } = (await publisher.ask('GET', path)).body
    expect(versions).toMatchObject([
      { number: 4, isInForce: true, by: publisher.identityKey },
      { number: 3, isInForce: false },
      { number: 2, isInForce: false },
      { number: 1, isInForce: false },
    ])
    const [four, , two] = versions as { digest: string }[]
    expect(four?.digest).toBe(two?.digest)
    expect((await publisher.ask('GET', `${path}/3`)).body).toMatchObject({
      policy: { sources: { '*': { required: ['/kwh'] } } },
    })
    const { changes } = (await publisher.ask('GET', `${path}/diff?from=2&to=3`)).body
    expect(changes).toContainEqual({
      pointer: '/sources/*',
      became: { required: ['/kwh'], coercion: { '/kwh': 'number' } },
    })
    expect((await publisher.ask('GET', `${path}/diff?from=2&to=4`)).body).toMatchObject({ changes: [] })
    expect(await publisher.ask('GET', `${path}/9`)).toMatchObject({ status: 404 })
    expect((await publisher.ask('GET', `${path}?limit=1&before=3`)).body).toMatchObject({
      versions: [{ number: 2 }],
      nextBefore: 2,
    })
    const undone = Object(back.body['stream']).version
    expect(await publisher.ask('POST', path, { version: undone, policy: null })).toMatchObject({
      body: { stream: { policyByDefault: true } },
    })
  })

  test.each([
    [
      'a pattern that needs going back',
      { rules: [{ kind: 'pattern', field: 'a', pattern: '(a+)+\\1' }] },
      'RE2',
    ],
    [
      'a pattern that is too large',
      { rules: [{ kind: 'pattern', field: 'a', pattern: '(a{1,99}){1,99}' }] },
      '',
    ],
    ['too many schemas', { rules: manySchemas }, 'more than the 1000 that a publisher may put'],
    [
      'an owner that is somebody else',
      { owner: { identityKey: publisherCalled('x').identityKey } },
      'somebody else',
    ],
    ['a source that is not theirs', { sources: { default: { required: ['a'] } } }, ''],
    ['another audience', { classification: 'restricted' }, 'audience is public'],
    ['a key that there is not', { rule: [] }, 'did you mean "rules"'],
    ['a character that no database keeps', { license: 'a\0b' }, 'U+0000'],
    ['nothing that is a policy', [], ''],
  ])('is refused with a pointer where it has %s', async (_, change, why) => {
    const { stream } = await publisherWithStream()
    const path = `/publishers/streams/${stream.streamId}/policies`
    const wrong = Array.isArray(change) ? change : { v: 1, ...change }
    const { version } = stream
    const refused = await publisher.ask('POST', path, { version, policy: wrong })
    expect(refused).toMatchObject({ status: 400, body: { pointer: expect.stringContaining('/policy') } })
    expect(refused.body['detail']).toContain(why)
    const tried = await publisher.ask('POST', `${path}/dry-run`, { policy: wrong, recent: 1 })
    expect(tried).toEqual(refused)
  })

  test('is refused where it is too large to be read', async () => {
    const { feed, stream } = await publisherWithStream()
    const path = `/publishers/streams/${stream.streamId}/policies`
    const large = { v: 1, license: 'x'.repeat(300_000) }
    const refused = {
      status: 400,
      body: { pointer: '/policy', detail: expect.stringContaining('more than 131072') },
    }
    expect(await publisher.ask('POST', path, { version: stream.version, policy: large })).toMatchObject(
      refused,
    )
    const change = { version: feed.version, policy: { constants: { a: 'x'.repeat(300_000) } } }
    expect(await publisher.ask('PATCH', `/publishers/feeds/${feed.feedId}`, change)).toMatchObject(refused)
    await expect(publisher.ask('POST', path, 'x'.repeat(600_000))).rejects.toThrow('HTTP 413')
    const samples = Array.from({ length: 101 }, () => 1)
    expect(await publisher.ask('POST', `${path}/dry-run`, { policy, samples })).toMatchObject({
      status: 400,
      body: { pointer: '/samples' },
    })
    expect(await publisher.ask('POST', `${path}/dry-run`, { policy, samples: [1], recent: 1 })).toMatchObject(
      {
        status: 400,
      },
    )
  })
})
