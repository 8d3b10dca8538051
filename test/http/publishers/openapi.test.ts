import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type HeldBed, openHeldBed } from '../../support/held-bed.ts'
import { party } from '../../support/pipeline.ts'
import { type ServedPublisherRoutes, servePublisherRoutes } from '../../support/publisher-routes.ts'
import { testOnlyIdentityHeader } from '../../support/test-only-authentication.ts'
import { compareAnswers, routesOf } from '../openapi-checks.ts'
import { openObjects, readApiDocument } from '../openapi-document.ts'
import type { HttpClient, Sent } from '../raw-http.ts'

const operations = readApiDocument().operations.filter(({ tag }) => tag === 'publishers')
/** Documented, and not to be had here: it takes a broken node, or a full one. */
const notHere = ['408', '500', '503']
const [owner, full, shut] = [party('an owner'), party('who has enough'), party('who may not')].map(
  ({ identityKey }) => identityKey,
)
let bed: HeldBed
let served: ServedPublisherRoutes
let client: HttpClient
beforeAll(async () => {
  bed = await openHeldBed()
  served = await servePublisherRoutes(bed, {
    changesPerDayMax: 40,
    mayRegister: identityKey => identityKey !== shut,
    // How they come about, test/node/dry-runs.test.ts shows.
    tryPolicy: of => async (identityKey, work) => {
      let isSecond = false
      const first = await of(identityKey, run =>
        work(async asked => {
          const text = JSON.stringify(asked.policy)
          isSecond = text.includes('at the same time')
          return text.includes('too much') ? 'too-costly' : run(asked)
        }),
      )
      return isSecond ? 'one-at-a-time' : first
    },
  })
  client = served.client
}, 60_000)
afterAll(async () => {
  await served.end()
  await bed.end()
})

const asking = (identityKey = owner ?? '') => ({ [testOnlyIdentityHeader]: identityKey })
const get = (path: string): Sent => ({ path, headers: asking() })
const json = (path: string, value: unknown, identityKey?: string): Sent => ({
  ...{ path, headers: asking(identityKey) },
  body: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
})
/** What all of them say in the same cases. */
const common = (path: string): Sent[] => [
  { path },
  {
    ...{ path, headers: { ...asking(), 'transfer-encoding': 'chunked', 'content-encoding': 'br' } },
    body: Buffer.from('{}'),
  },
  { path, headers: { ...asking(), 'transfer-encoding': 'chunked' }, body: Buffer.alloc(1_200_000, 0x20) },
]

describe('docs/openapi.yaml, on publishers', () => {
  test('lists their routes, and no other', () => {
    expect(routesOf(served.routes).sort()).toEqual(
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

  test('tells what each of them answers', { timeout: 240_000 }, async () => {
    const examples = await examplesFor()
    expect(operations.map(({ id }) => id).sort()).toEqual(Object.keys(examples).sort())
    for (const operation of operations) {
      const { undocumented, neverSeen } = await compareAnswers(
        operation,
        [...(examples[operation.id] ?? []), ...common(examples[operation.id]?.[0]?.path ?? '/')],
        ask,
      )
      expect([operation.id, undocumented]).toEqual([operation.id, []])
      expect([operation.id, neverSeen.filter(status => !notHere.includes(status))]).toEqual([
        operation.id,
        [],
      ])
    }
    expect(served.failures).toEqual([])
  })
})

async function send(method: string, { path, headers, body }: Sent): Promise<Record<string, unknown>> {
  const answer = await client.send({
    ...{ method, path },
    ...(headers !== undefined && { headers }),
    ...(body !== undefined && { body }),
  })
  return JSON.parse(answer.body.toString())
}

/** One who has changed as much as may be in a day, and something to change. */
async function exhausted() {
  const made = await send('POST', json('/publishers/feeds', { name: 'exhausted' }, full))
  const { feedId } = Object(made['feed'])
  for (let n = 0; n < 40; n++) await send('POST', json('/ingest/keys', { feedId, overlapSeconds: 0 }, full))
  return feedId as string
}

/** For each operation what brings about every answer. */
async function examplesFor(): Promise<Record<string, Sent[]>> {
  const made = await send('POST', json('/publishers/feeds', { name: 'documented' }))
  const { feedId } = Object(made['feed'])
  const theirs = await exhausted()
  const [feed, stream] = [`/publishers/feeds/${feedId}`, `/publishers/streams/${feedId}`]
  const policies = `${stream}/policies`
  seen = { feed, stream }
  const tooMuch = { rules: [{ kind: 'enum', field: 'too much', values: [1] }] }
  const sample = {
    policy: { v: 1, sources: { '*': { required: ['a'] } } },
    samples: [{ a: 1 }, {}, 'x', { eventType: 'y' }],
  }
  const changes = (path: string, version: '@feed' | '@stream', right: object) => [
    json(path, { version, ...right }),
    json(path, { version: '0', ...right }),
    json(path, right),
    json(path, []),
    json(path.replace(feedId, 'none'), { version, ...right }),
    json(path.replace(feedId, theirs), { version, ...right }, full),
  ]
  return {
    registerFeed: [
      json('/publishers/feeds', {
        name: 'another',
        limits: { eventsPerDay: 5 },
        policy: { required: ['a'] },
      }),
      json('/publishers/feeds', { name: '' }),
      json('/publishers/feeds', { name: 'shut' }, shut),
      json('/publishers/feeds', { name: 'costly', policy: tooMuch }),
      json('/publishers/feeds', { name: 'one too many' }, full),
    ],
    publisherFeeds: [get('/publishers/feeds?limit=1'), get('/publishers/feeds?limit=0')],
    publisherFeed: [get(feed), get('/publishers/feeds/none')],
    changeFeed: [
      ...changes(feed, '@feed', { name: 'changed' }),
      json(feed, { version: '@feed', policy: tooMuch }),
    ],
    putFeed: [
      ...changes(feed, '@feed', { name: 'put' }),
      json(feed, { version: '@feed', name: 'put', policy: tooMuch }),
    ],
    feedUsage: [get(`${feed}/usage`), get('/publishers/feeds/none/usage')],
    ownStreams: [get('/publishers/streams'), get('/publishers/streams?limit=x')],
    makeStream: [
      json('/publishers/streams', { name: 'by itself', audience: 'restricted' }),
      json('/publishers/streams', {}),
      json('/publishers/streams', { name: 'shut' }, shut),
      json('/publishers/streams', { name: 'one too many' }, full),
    ],
    ownStream: [get(stream), get('/publishers/streams/none')],
    changeStream: changes(stream, '@stream', { topics: ['gitdata.documented'] }),
    streamUsage: [get(`${stream}/usage`), get('/publishers/streams/none/usage')],
    policyVersions: [get(policies), get(`${policies}?before=x`), get('/publishers/streams/none/policies')],
    putPolicy: [
      ...changes(policies, '@stream', { policy: { v: 1, license: 'CC0-1.0' } }),
      json(policies, { version: '@stream', policy: { v: 1, ...tooMuch } }),
    ],
    policyVersion: [get(`${policies}/1`), get(`${policies}/99`)],
    policyDifference: [
      get(`${policies}/diff?from=1&to=2`),
      get(`${policies}/diff?from=1`),
      get(`${policies}/diff?from=1&to=99`),
    ],
    rollBackPolicy: changes(`${policies}/rollback`, '@stream', { to: 1 }),
    tryPolicy: [
      json(`${policies}/dry-run`, sample),
      json(`${policies}/dry-run`, { policy: { v: 1 }, recent: 1 }),
      json(`${policies}/dry-run`, { policy: { v: 1 } }),
      json(`${policies}/dry-run`, { ...sample, policy: { v: 1, ...tooMuch } }),
      json(`${policies}/dry-run`, { ...sample, policy: { v: 1, license: 'at the same time' } }),
      json('/publishers/streams/none/policies/dry-run', sample),
    ],
    feedKeys: [get('/ingest/keys'), get('/ingest/keys?feedId='), get('/ingest/keys?feedId=none')],
    rotateKey: [
      json('/ingest/keys', { feedId }),
      json('/ingest/keys', {}),
      json('/ingest/keys', { feedId: 'none' }),
      json('/ingest/keys', { feedId: theirs }, full),
    ],
    revokeKey: [
      get(`/ingest/keys/${feedId}/1`),
      get(`/ingest/keys/${feedId}/77`),
      { path: `/ingest/keys/${theirs}/1`, headers: asking(full) },
    ],
    feedAllowlist: [get(`/ingest/keys/${feedId}/allowlist`), get('/ingest/keys/none/allowlist')],
    putFeedAllowlist: changes(`/ingest/keys/${feedId}/allowlist`, '@feed', { allowlist: ['192.0.2.1'] }),
    ownQuarantine: [
      ...['', '?limit=1', `?feedId=${feedId}&state=held`, '?streamId=none', '?reason=none', '?limit=0'].map(
        query => get(`/publishers/quarantine${query}`),
      ),
      get('/publishers/quarantine?feedId=a&streamId=b'),
    ],
    ownHeldItem: [...[await bed.hold(feedId), 'x', '0'].map(id => get(`/publishers/quarantine/${id}`))],
    releaseOwn: await decisions(feedId, 'release', { edit: { carried: { policyTags: null } } }),
    waiveOwn: await decisions(feedId, 'waive', { why: 'a test' }),
    publisherAudit: [
      get('/publishers/audit?limit=1'),
      get('/publishers/audit?before=x'),
      get(`/publishers/audit?feedId=${feedId}`),
      get('/publishers/audit?limit=200'),
    ],
    registerIdentity: [
      json('/overlay/producers/register-identity', { name: 'An owner', identityKey: owner }),
      json('/overlay/producers/register-identity', { name: 'An owner', identityKey: shut }),
      json('/overlay/producers/register-identity', {}),
      json('/overlay/producers/register-identity', { name: 'Another', identityKey: full }, full),
    ],
  }
}

/** What decides over held items, and what does not. */
async function decisions(feedId: string, action: 'release' | 'waive', right: object): Promise<Sent[]> {
  const at = (id: number | string) => `/publishers/quarantine/${id}/${action}`
  const [id, taken] = [await bed.hold(feedId), await bed.hold(await othersFeed())]
  const versionOf = async (held: number) =>
    String((await send('GET', get(`/publishers/quarantine/${held}`)))['version'])
  const version = await versionOf(id)
  const decided = await bed.hold(feedId)
  await send(
    'POST',
    json(`/publishers/quarantine/${decided}/waive`, { version: await versionOf(decided), why: 'a test' }),
  )
  return [
    json(at(id), { version: '0', ...right }),
    json(at(id), right),
    json(at(id), { version, colour: 'red' }),
    json(at('x'), { version, ...right }),
    json(at(id), { version, ...right }, full),
    json(at(decided), { version: await versionOf(decided), ...right }),
    json(at(taken), { version: await versionOf(taken), edit: { payload: 1 } }),
    { ...json(at(id), { version, ...right }), ...{ body: Buffer.alloc(3_000_000, 0x20) } },
    json(at(id), { version, ...right }),
  ]
}

/** What it sends is held for a stream of the owner's, as an operator has arranged it. */
async function othersFeed(): Promise<string> {
  await bed.putStream({ streamId: 'fed-by-others', ownerKey: owner ?? '' })
  await bed.putSource({ sourceId: 'of-another', identityKey: full ?? '', streams: ['fed-by-others'] })
  return 'of-another'
}

/** A body says @feed or @stream where it means the version that it has when the request is sent. */
let seen: { readonly feed: string; readonly stream: string } | undefined
async function ask(request: Sent & { readonly method?: string }) {
  if (seen === undefined || request.body === undefined || request.body.length > 10_000)
    return client.send(request)
  let text = Buffer.from(request.body as Uint8Array).toString()
  for (const what of ['feed', 'stream'] as const)
    if (text.includes(`"@${what}"`))
      text = text.replace(`@${what}`, String((await send('GET', get(seen[what])))['version']))
  return client.send({ ...request, body: Buffer.from(text) })
}
