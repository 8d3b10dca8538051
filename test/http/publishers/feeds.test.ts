import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openPublisherBed, type PublisherBed, publisherCalled } from '../../support/publisher-bed.ts'

const someone = publisherCalled('a publisher')
const stranger = publisherCalled('another publisher')

let bed: PublisherBed
beforeAll(async () => {
  bed = await openPublisherBed({ PUBLISHER_FEEDS_PER_IDENTITY_MAX: '12' })
}, 60_000)
afterAll(() => bed.end())

describe('a feed', () => {
  test('is registered with its stream and a secret, which is shown once', async () => {
    const publisher = bed.as(someone)
    const { feed, stream, secret } = await publisher.register({ eventType: 'reading' })
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(feed).toMatchObject({
      name: 'Weather, Berlin',
      feedId: expect.stringMatching(/^weather-berlin-[0-9a-z]{12}$/),
      authentication: 'hmac',
      eventType: 'reading',
      streams: [feed.feedId],
      keys: [{ number: 1, status: 'active' }],
    })
    expect(stream).toMatchObject({
      streamId: feed.feedId,
      isYours: true,
      published: true,
      feeds: [feed.feedId],
    })
    const shown = await publisher.ask('GET', `/publishers/feeds/${feed.feedId}`)
    expect(shown).toEqual({ status: 200, body: feed })
    expect(JSON.stringify(await publisher.ask('GET', '/ingest/keys'))).not.toContain(secret)
    expect(JSON.stringify(await publisher.ask('GET', '/publishers/audit'))).not.toContain(secret)
  })

  test('is to nobody else what there is', async () => {
    const { feed } = await bed.as(someone).register()
    const other = bed.as(stranger)
    const at = (id: string) =>
      [
        ['GET', `/publishers/feeds/${id}`],
        ['GET', `/publishers/feeds/${id}/usage`],
        ['PATCH', `/publishers/feeds/${id}`, { version: feed.version, enabled: false }],
        ['PUT', `/publishers/feeds/${id}`, { version: feed.version, name: 'mine' }],
        ['GET', `/publishers/streams/${id}`],
        ['GET', `/publishers/streams/${id}/usage`],
        ['PATCH', `/publishers/streams/${id}`, { version: '1', published: false }],
        ['GET', `/publishers/streams/${id}/policies`],
        ['POST', `/publishers/streams/${id}/policies`, { version: '1', policy: { v: 1 } }],
        ['POST', `/publishers/streams/${id}/policies/rollback`, { version: '1', to: 1 }],
        ['POST', `/publishers/streams/${id}/policies/dry-run`, { policy: { v: 1 }, recent: 1 }],
        ['GET', `/publishers/streams/${id}/policies/1`],
        ['GET', `/publishers/streams/${id}/policies/diff?from=1&to=1`],
        ['GET', `/ingest/keys?feedId=${id}`],
        ['POST', '/ingest/keys', { feedId: id }],
        ['DELETE', `/ingest/keys/${id}/1`],
        ['GET', `/ingest/keys/${id}/allowlist`],
        ['PUT', `/ingest/keys/${id}/allowlist`, { version: feed.version, allowlist: [] }],
      ] as const
    const answers = async (id: string) => {
      const said: unknown[] = []
      for (const [method, path, body] of at(id)) said.push(await other.ask(method, path, body))
      return said
    }
    const theirs = await answers(feed.feedId)
    for (const answer of theirs) expect(answer).toMatchObject({ status: 404, body: { code: 'not-found' } })
    expect(theirs).toEqual(await answers('there-is-none'))
    expect((await other.ask('GET', `/publishers/audit?feedId=${feed.feedId}`)).body).toEqual({
      changes: [],
      nextBefore: null,
    })
    expect((await other.ask('GET', '/publishers/feeds')).body).toMatchObject({ feeds: [] })
    expect((await other.ask('GET', '/publishers/streams')).body).toMatchObject({ streams: [] })
  })

  test('is changed by whoever has seen its last version, and by nobody else', async () => {
    const publisher = bed.as(someone)
    const { feed } = await publisher.register()
    const path = `/publishers/feeds/${feed.feedId}`
    const edits = await Promise.all(
      ['one editor', 'another'].map(name => publisher.ask('PATCH', path, { version: feed.version, name })),
    )
    expect(edits.map(({ status }) => status).sort()).toEqual([200, 412])
    const after = await publisher.ask('GET', path)
    expect(edits.find(({ status }) => status === 412)?.body).toMatchObject({
      code: 'changed-meanwhile',
      current: after.body['version'],
      detail: expect.stringContaining('somebody else has changed it'),
    })
    expect(await publisher.ask('PATCH', path, { name: 'blind' })).toMatchObject({
      status: 428,
      body: { code: 'version-missing' },
    })
    expect((await publisher.ask('GET', path)).body['name']).toBe(after.body['name'])
  })

  test('goes back to what is usual where all of it is put', async () => {
    const publisher = bed.as(someone)
    const { feed } = await publisher.register({ eventType: 'reading', allowlist: ['192.0.2.0/24'] })
    const put = await publisher.ask('PUT', `/publishers/feeds/${feed.feedId}`, {
      version: feed.version,
      name: 'afterwards',
    })
    expect(put.body).toMatchObject({
      feed: { name: 'afterwards', eventType: 'event', allowlist: [], streams: [feed.feedId] },
      secret: null,
    })
  })

  test.each([
    ['trustWeight', 7, 'the operator of this node decides on it'],
    ['trustScore', 100, 'the operator of this node decides on it'],
    ['tenantId', 'acme', 'the operator of this node decides on it'],
    ['identityKey', stranger.identityKey, 'the operator of this node decides on it'],
    ['sourceId', 'default', 'the operator of this node decides on it'],
    ['authentication', 'none', 'anybody could send as this feed'],
    ['streams', ['default'], 'you have no stream of this name'],
    ['streams', ['there is none'], 'you have no stream of this name'],
    ['limits', { eventsPerSecond: 1_001 }, 'the operator of this node allows 1000'],
    ['limits', { eventsPerSecond: -1 }, ''],
    ['allowlist', ['everywhere'], 'a network like'],
    ['time', { skewMsMax: 1e300 }, ''],
    ['enabled', 'yes', ''],
    ['eventTyp', 'x', 'did you mean'],
    ['policy', { required: 7 }, ''],
    ['policy', { rules: [{ kind: 'pattern', field: 'a', pattern: '(a+)+\\1' }] }, 'RE2'],
  ])('is refused with a pointer to what it may not be: %s %j', async (member, value, why) => {
    const publisher = bed.as(publisherCalled('a wild publisher'))
    const refused = await publisher.ask('POST', '/publishers/feeds', { name: 'wild', [member]: value })
    expect(refused).toMatchObject({
      status: 400,
      body: { code: 'bad-request', pointer: expect.stringContaining(`/${member}`) },
    })
    expect(refused.body['detail']).toContain(why)
    expect((await publisher.ask('GET', '/publishers/feeds')).body).toMatchObject({ feeds: [] })
  })

  test.each(['[]', '7', 'null', '{"name":"\u0000"}', '{"name":""}', '{}', 'not json', '{"name":["x"]}'])(
    'is refused where the body is no such thing: %s',
    async body => {
      const refused = await bed.as(someone).ask('POST', '/publishers/feeds', body)
      expect(refused).toMatchObject({ status: 400, body: { code: 'bad-request' } })
    },
  )

  test('keeps whatever text it is given as the text that it is', async () => {
    const script = '"><script>alert(1)</script>{{7*7}}\'; drop table streams; --'
    const publisher = bed.as(publisherCalled('a publisher with scripts'))
    const { feed, stream } = await publisher.register({
      ...{ name: script, eventType: script, sourceVersion: script, payloadType: script, dataVersion: script },
      stream: { domain: script, openTags: [script.slice(0, 64)] },
    })
    const shown = await publisher.ask('GET', `/publishers/feeds/${feed.feedId}`)
    expect(shown.body).toMatchObject({
      ...{ name: script, eventType: script, sourceVersion: script, payloadType: script, dataVersion: script },
    })
    expect(stream).toMatchObject({ domain: script, openTags: [script.slice(0, 64)] })
    const { changes } = (await publisher.ask('GET', '/publishers/audit')).body
    expect(JSON.stringify(changes)).toContain(JSON.stringify(script))
  })

  test('is one of as many as an identity may have', async () => {
    const publisher = bed.as(publisherCalled('a publisher of many feeds'))
    for (let n = 0; n < 12; n++) await publisher.register()
    expect(await publisher.ask('POST', '/publishers/feeds', { name: 'one more' })).toMatchObject({
      status: 429,
      body: { code: 'quota-exceeded', detail: expect.stringContaining('12 feeds') },
    })
    const pages: unknown[] = []
    for (let after: unknown = ''; after !== null; ) {
      const query = after === '' ? '' : `&after=${after}`
      const { body } = await publisher.ask('GET', `/publishers/feeds?limit=5${query}`)
      pages.push(...(body['feeds'] as unknown[]))
      after = body['nextAfter']
    }
    expect(new Set(pages.map(feed => Object(feed).feedId)).size).toBe(12)
  })
})

describe('a publisher', () => {
  test('says who it is, for the key that it signs with', async () => {
    const publisher = bed.as(someone)
    const { identityKey } = publisher
    const path = '/overlay/producers/register-identity'
    const said = { name: 'Weather & Co', website: 'https://weather.example/', identityKey }
    expect(await publisher.ask('POST', path, said)).toMatchObject({ status: 200, body: said })
    expect(await publisher.ask('POST', path, { name: 'Weather & Co', identityKey })).toMatchObject({
      body: { website: null },
    })
    expect(await bed.as(stranger).ask('POST', path, said)).toMatchObject({
      status: 403,
      body: { code: 'identity-mismatch' },
    })
    for (const website of ['javascript:alert(1)', 'no address', 7])
      expect(await publisher.ask('POST', path, { ...said, website })).toMatchObject({
        status: 400,
        body: { pointer: '/website' },
      })
    const { changes } = (await publisher.ask('GET', '/publishers/audit?limit=200')).body
    expect(changes).toContainEqual(
      expect.objectContaining({
        kind: 'publisher',
        by: identityKey,
        was: { name: said.name, website: said.website },
        became: { name: said.name, website: null },
      }),
    )
  })
})
