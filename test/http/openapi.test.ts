import fc from 'fast-check'
import { Registry } from 'prom-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { writeBeef } from '../../src/contract/beef.ts'
import { readBump } from '../../src/contract/bump.ts'
import { baseLookupServices, baseTopics } from '../../src/contract/names.ts'
import { fromHex } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { nodeApp } from '../../src/http/app.ts'
import { healthRoutes } from '../../src/http/health-routes.ts'
import { identityRoutes } from '../../src/http/identity-routes.ts'
import { overlayErrorCodes } from '../../src/http/overlay-error.ts'
import { overlayRoutes } from '../../src/http/overlay-routes.ts'
import { syncRoutes } from '../../src/http/sync-routes.ts'
import { type AdminApp, adminApp } from '../support/admin-app.ts'
import { batchTransaction } from '../support/event-batches.ts'
import { party } from '../support/pipeline.ts'
import { runningNode, type TestNode } from '../support/running-node.ts'
import { until } from '../support/until.ts'
import { faucetBeef, submitHeaders } from './good-client.ts'
import { coinOf } from './hostile-beef.ts'
import { routesOf, shown, undocumented } from './openapi-checks.ts'
import { openObjects, readApiDocument } from './openapi-document.ts'
import { HttpClient, type Sent } from './raw-http.ts'

const api = readApiDocument()
/** These have tests of their own: test/http/{uhrp-openapi,quarantine,job-routes,round-parts,agent-routes,dlm1,feed,search,resolve,
 * lineage}.test.ts, ingest/openapi.test.ts, live/asking.test.ts, subscriptions/asking.test.ts, publishers/openapi.test.ts, read/detail-openapi.test.ts and
 * read/proofs.test.ts; and test/bin/verify-all.test.ts. */
const elsewhere = [
  ...[
    'storage',
    'quarantine',
    'ingest',
    'events',
    'work',
    'rounds',
    'agents',
    'declarations',
    'query',
    'lineage',
    'live',
    'proofs',
    'subscriptions',
    'publishers',
    'export',
  ],
]
const operations = api.operations.filter(({ tag }) => !elsewhere.includes(tag))
const token = 'a token of the processor'.replaceAll(' ', '-')
const REQUESTS_EACH = 200

/** Documented, and not to be had here: it takes a broken node, a full one, or more patience than a test has. */
const notHere = ['408', '429', '500', '503']

describe('docs/openapi.yaml', () => {
  let node: TestNode
  let admin: AdminApp
  let client: HttpClient
  let adminClient: HttpClient
  let calls: Calls
  let examples: Readonly<Record<string, readonly Sent[]>>
  beforeAll(async () => {
    node = await runningNode({ ARC_CALLBACK_TOKEN: token })
    admin = await adminApp(node, { token })
    client = new HttpClient(Number(new URL(node.url).port))
    adminClient = new HttpClient(Number(new URL(admin.url).port))
    const stored = await material(node)
    calls = callsWith(stored)
    examples = examplesWith(stored)
  }, 60_000)
  afterAll(async () => {
    client.close()
    adminClient.close()
    await admin.stop()
    await node.end()
  })

  test('names the codes that the routes answer with, and no other', () => {
    expect(api.errorCodes).toEqual([...overlayErrorCodes])
  })

  test('lists the routes of a node, and no other', () => {
    const app = nodeApp({
      metrics: new Registry(),
      network: 'local',
      onFailure: () => undefined,
      routes: [
        healthRoutes({
          checks: [],
          service: {
            name: '',
            advertisableFQDN: null,
            port: 0,
            network: 'local',
            topicManagerCount: 0,
            lookupServiceCount: 0,
          },
          startedAtMs: 0,
          now: () => 0,
          isServing: () => true,
          context: () => ({}),
        }),
        identityRoutes({ network: 'local', nodeKey: '', successions: [], logKey: '' }),
        overlayRoutes({ overlay: node.overlay, onFailure: () => undefined }),
        syncRoutes({ topics: [], readPage: unread, onFailure: () => undefined }),
        ...admin.routes,
      ],
    })
    expect(routesOf(app.router).sort()).toEqual(
      operations.map(({ method, path }) => `${method} ${path}`).sort(),
    )
  })

  test('closes every object that an answer holds', () => {
    // What is stored by its hash has a shape of its own, and no answer adds to it.
    const closed = api.operations.filter(({ id }) => id !== 'roundPart')
    const open = closed.flatMap(({ id, answers }) =>
      [...answers].flatMap(([status, { bodies }]) =>
        [...bodies.values()].flatMap(({ schema }) => openObjects(schema, `${id} ${status}`)),
      ),
    )
    // A manifest has what whoever wrote it gave it.
    expect(open.filter(place => !place.endsWith('/properties/manifest'))).toEqual([])
  })

  const byName = operations.map(each => [`${each.method} ${each.path}`, each] as const)
  test.each(byName)('tells what %s answers to anything', async (_, operation) => {
    const call = calls[operation.id]
    if (call === undefined) throw new Error(`${operation.id} has no generator; add one here`)
    const seen = new Set<string>()
    // Every kind of failure, with one example of it, rather than the first of them.
    const failures = new Map<string, string>()
    const all = [...(examples[operation.id] ?? []), ...fc.sample(call, REQUESTS_EACH)].values()
    const isHere = operation.tag === 'admin' || operation.path === '/.well-known/auth'
    const sendRest = async () => {
      for (const sent of all) {
        const answer = await (isHere ? adminClient : client).send({ ...sent, method: operation.method })
        seen.add(String(answer.status))
        for (const failure of undocumented(operation, answer)) failures.set(failure, shown(sent, answer))
      }
    }
    await Promise.all(Array.from({ length: 8 }, sendRest))
    expect(Object.fromEntries(failures)).toEqual({})
    const neverSeen = [...operation.answers.keys()].filter(
      status => !seen.has(status) && !notHere.includes(status),
    )
    expect(neverSeen).toEqual([])
  })
})

async function unread(): Promise<never> {
  throw new Error('nobody asks')
}

type Material = {
  readonly submitted: Uint8Array
  readonly rival: Uint8Array
  readonly txid: string
  readonly merklePath: string
  /** In the same block, and not stored here. */
  readonly neighbour: string
}

/** A batch that is stored and mined here, and another one that spends the same coin. */
async function material(node: TestNode): Promise<Material> {
  // Which of the block stands beside it is the miner's to say, and it may be what it spends.
  return until(() => minedBatch(node))
}

let batches = 0

async function minedBatch({ url }: TestNode): Promise<Material | undefined> {
  const owner = party('reader of documents')
  const { subject, transactions } = await faucetBeef(url, owner, 1)
  const batch = (text: string) => batchTransaction(owner, [coinOf(subject, 0, owner.privateKey)], { text })
  const [first, second] = [batch(`{"n":${++batches}}\n`), batch(`{"n":${++batches}}\n`)]
  const submitted = writeBeef([...transactions, first])
  const answer = await fetch(`${url}/submit`, {
    method: 'POST',
    headers: submitHeaders,
    body: Buffer.from(submitted),
  })
  if (!answer.ok) throw new Error(await answer.text())
  let merklePath = ''
  await until(async () => {
    const response = await fetch(`${url}/chain/transactions/${first.txid}`)
    if (!response.ok) return false
    merklePath = z.object({ proof: z.string().default('') }).parse(await response.json()).proof
    return merklePath !== ''
  })
  const { leaves } = orThrow(readBump(fromHex(merklePath) ?? new Uint8Array()))
  const stored = new Set([first, ...transactions].map(({ txid }) => txid))
  const neighbour = [...leaves].find(txid => !stored.has(txid))
  if (neighbour === undefined) return undefined
  return { submitted, rival: writeBeef([...transactions, second]), txid: first.txid, merklePath, neighbour }
}

/** One for every answer that chance may miss. */
function examplesWith({ submitted, rival, txid, merklePath, neighbour }: Material) {
  const toJson = (path: string, value: unknown, headers: Readonly<Record<string, string>> = {}): Sent => ({
    path,
    headers: { 'content-type': 'application/json', ...headers },
    body: Buffer.from(JSON.stringify(value)),
  })
  const bearer = (value: string) => ({ authorization: `Bearer ${value}` })
  const long = new Uint8Array(10 * 1024 * 1024)
  const submit = (body: Uint8Array, headers: Readonly<Record<string, string>> = {}): Sent => ({
    path: '/submit',
    headers: { ...submitHeaders, ...headers },
    body,
  })
  const long64 = Buffer.alloc(70_000, 0x20)
  const admin = (path: string, value: unknown): Sent[] => {
    const right = toJson(path, value, bearer(token))
    return [
      right,
      toJson(path, value),
      toJson(path, value, bearer('somebody-else')),
      { ...right, body: long64 },
      { ...right, headers: { ...right.headers, 'content-encoding': 'br' } },
      toJson(path, [], bearer(token)),
    ]
  }
  const handshake = {
    version: '0.1',
    messageType: 'initialRequest',
    identityKey: party('who shakes hands').identityKey,
    initialNonce: 'AAAAAAAAAAAAAAAA',
  }
  const shakeHands = admin('/.well-known/auth', handshake)
  const ban = { type: 'domain', value: 'bad.example' }
  return {
    handshake: [...shakeHands, toJson('/.well-known/auth', { ...handshake, identityKey: '' })],
    ...Object.fromEntries(
      adminViews.map(([id, path]) => [
        id,
        [bearer(token), {}, bearer('other')].flatMap(headers => [
          { path, headers },
          { path: `${path}?page=0`, headers },
        ]),
      ]),
    ),
    adminBan: admin('/admin/ban', ban),
    adminUnban: admin('/admin/unban', ban),
    adminEvictOutpoint: admin('/admin/evictOutpoint', { txid: neighbour, outputIndex: 0 }),
    adminRemoveToken: admin('/admin/remove-token', { txid: neighbour, outputIndex: 0, banDomain: true }),
    adminHealthCheck: admin('/admin/health-check', { url: 'http://127.0.0.1:9' }),
    adminJanitor: admin('/admin/janitor', {}),
    adminSyncAdvertisements: admin('/admin/syncAdvertisements', {}),
    adminStartSync: admin('/admin/startGASPSync', {}),
    submit: [submit(submitted), submit(rival), submit(submitted, { 'content-encoding': 'br' }), submit(long)],
    lookup: ['yes', 'no'].map(form =>
      toJson('/lookup', { service: baseLookupServices.events, query: { txid } }, { 'x-aggregation': form }),
    ),
    arcIngest: [
      toJson('/arc-ingest', { txid, merklePath }),
      toJson('/arc-ingest', { txid, merklePath }, bearer('somebody-else')),
      toJson('/arc-ingest', { txid, merklePath }, bearer(token)),
      toJson('/arc-ingest', { txid: neighbour, merklePath }, bearer(token)),
    ],
    sync: [{ path: `/sync?topic=${baseTopics.ingest}`, headers: {} }],
    requestSyncResponse: [
      toJson('/requestSyncResponse', { version: 1, since: 0 }, { 'x-bsv-topic': baseTopics.ingest }),
    ],
    requestForeignGASPNode: [
      toJson('/requestForeignGASPNode', { graphID: `${txid}.0`, txid, outputIndex: 0 }),
    ],
  }
}

const adminViews = [
  ['adminConfig', '/admin/config'],
  ['adminStats', '/admin/stats'],
  ['adminShipRecords', '/admin/ship-records'],
  ['adminSlapRecords', '/admin/slap-records'],
  ['adminBans', '/admin/bans'],
] as const

type Calls = Readonly<Record<string, fc.Arbitrary<Sent>>>

function callsWith({ submitted, rival, txid, merklePath, neighbour }: Material): Calls {
  const anyTxid = fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map(bytes => Buffer.from(bytes).toString('hex'))
  const someTxid = fc.oneof(fc.constant(txid), anyTxid)
  const health = (path: string) =>
    fc.record({
      path: fc.webQueryParameters().map(query => `${path}?${query}`),
      headers: headersOf({ accept: ['*/*', 'text/html', ''] }),
    })
  const documentation = (path: string, parameters: readonly string[], names: readonly string[]) =>
    fc.record({
      path: fc
        .tuple(
          fc.constantFrom(...parameters, 'other', '__proto__'),
          fc.oneof(fc.constantFrom(...names, ''), fc.string()),
          fc.constantFrom('', '&manager=tm_x', '&lookupService=ls_x'),
        )
        .map(([name, value, more]) => `${path}?${name}=${encodeURIComponent(value)}${more}`),
    })
  const topics = fc.oneof(
    { weight: 5, arbitrary: fc.constant([baseTopics.ingest]) },
    fc.array(fc.oneof(fc.constant(baseTopics.ingest), fc.string()), { maxLength: 40 }),
  )
  const operator = { authorization: [`Bearer ${token}`, `Bearer ${token}`, `Bearer ${token}`, 'Bearer x'] }
  const adminView = (path: string) =>
    fc.record({
      path: fc
        .record(
          {
            page: fc.constantFrom('1', '2', '0', 'x'),
            limit: fc.constantFrom('1', '200', '201'),
            search: fc.string(),
            type: fc.constantFrom('domain', 'outpoint', 'other'),
          },
          { requiredKeys: [] },
        )
        .map(query => `${path}?${new URLSearchParams(query)}`),
      headers: headersOf(operator),
    })
  const ban = {
    type: fc.constantFrom('domain', 'outpoint'),
    value: fc.oneof(
      fc.constant('bad.example'),
      someTxid.map(each => `${each}.1`),
      fc.string(),
    ),
    reason: fc.string(),
  }
  const output = {
    txid: someTxid,
    outputIndex: fc.integer({ min: -1, max: 3 }),
    service: fc.constantFrom(undefined, baseLookupServices.events, 'ls_other', 'constructor'),
  }
  return {
    handshake: json('/.well-known/auth', {
      version: fc.constantFrom('0.1', '0.1', '0.1', '1'),
      messageType: fc.constantFrom(
        'initialRequest',
        'initialRequest',
        'initialRequest',
        'certificateRequest',
      ),
      identityKey: fc.oneof(
        fc.constant(party('who shakes hands').identityKey),
        anyTxid.map(hex => `02${hex}`),
      ),
      initialNonce: fc.uint8Array({ maxLength: 130 }).map(bytes => Buffer.from(bytes).toString('base64')),
    }),
    ...Object.fromEntries(adminViews.map(([id, path]) => [id, adminView(path)])),
    adminBan: json('/admin/ban', ban, operator),
    adminUnban: json('/admin/unban', ban, operator),
    adminEvictOutpoint: json('/admin/evictOutpoint', output, operator),
    adminRemoveToken: json(
      '/admin/remove-token',
      { ...output, ban: fc.boolean(), banDomain: fc.boolean() },
      operator,
    ),
    adminHealthCheck: json(
      '/admin/health-check',
      { url: fc.oneof(fc.constant('http://127.0.0.1:9'), fc.string()) },
      operator,
    ),
    adminJanitor: json('/admin/janitor', {}, operator),
    adminSyncAdvertisements: json('/admin/syncAdvertisements', {}, operator),
    adminStartSync: json('/admin/startGASPSync', {}, operator),
    submit: fc.record({
      path: fc.constant('/submit'),
      headers: fc
        .tuple(
          topics.map(list => encodeHeader(JSON.stringify(list))),
          headersOf({
            'content-type': ['application/octet-stream', 'application/octet-stream', 'application/json', ''],
            'x-includes-off-chain-values': ['false', 'true', 'yes'],
            'content-encoding': ['identity', 'identity', 'gzip'],
            'x-aggregation': ['yes'],
          }),
        )
        .map(
          ([list, others]): Record<string, string> => ({
            'content-type': 'application/octet-stream',
            'x-topics': list,
            ...others,
          }),
        ),
      body: fc.oneof(
        fc.constantFrom(submitted, rival, new Uint8Array(0)),
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(submitted.length).map(end => submitted.slice(0, end)),
      ),
    }),
    lookup: json(
      '/lookup',
      {
        service: fc.constantFrom<unknown>(
          ...Array(6).fill(baseLookupServices.events),
          'ls_other',
          'constructor',
        ),
        query: fc.oneof(
          fc.constantFrom<unknown>('findAll', {}, { findAll: true }),
          fc.record(
            {
              txid: fc.oneof<fc.Arbitrary<unknown>[]>(someTxid, fc.string()),
              publisher: fc.oneof<fc.Arbitrary<unknown>[]>(
                anyTxid.map(hex => `02${hex}`),
                fc.constant('02'),
              ),
              streamId: fc.string(),
              sourceId: fc.string(),
              admittedFromMs: fc.oneof<fc.Arbitrary<unknown>[]>(fc.maxSafeNat(), fc.double()),
              admittedToMs: fc.maxSafeNat(),
              spent: fc.oneof<fc.Arbitrary<unknown>[]>(fc.boolean(), fc.string()),
              limit: fc.integer({ min: -1, max: 600 }),
              order: fc.constantFrom('asc', 'desc', 'up'),
              cursor: fc.oneof(
                fc.string(),
                fc
                  .uint8Array({ minLength: 44, maxLength: 44 })
                  .map(bytes => Buffer.from(bytes).toString('hex')),
              ),
            },
            { requiredKeys: [] },
          ),
        ),
      },
      { 'x-aggregation': ['yes', 'no', 'YES'] },
    ),
    listTopicManagers: health('/listTopicManagers'),
    listLookupServiceProviders: health('/listLookupServiceProviders'),
    getDocumentationForTopicManager: documentation(
      '/getDocumentationForTopicManager',
      ['manager', 'topic'],
      [baseTopics.ingest, 'constructor'],
    ),
    getDocumentationForLookupServiceProvider: documentation(
      '/getDocumentationForLookupServiceProvider',
      ['lookupService', 'service'],
      [baseLookupServices.events, 'toString'],
    ),
    arcIngest: json(
      '/arc-ingest',
      {
        txid: fc.oneof(someTxid, fc.constant(neighbour)),
        merklePath: fc.oneof(
          { weight: 3, arbitrary: fc.constant(merklePath) },
          fc.nat(merklePath.length).map(end => merklePath.slice(0, end)),
          fc.constantFrom(
            ...['feffffff7f', 'feffffffff', 'fe00000080'].map(height => atHeight(merklePath, height)),
          ),
          fc.string(),
        ),
        blockHeight: fc.oneof(fc.constant(undefined), fc.maxSafeNat()),
      },
      {
        authorization: [
          `Bearer ${token}`,
          `Bearer ${token}`,
          `Bearer ${token}`,
          `bearer ${token}`,
          'Bearer x',
          'Basic eDp4',
        ],
      },
    ),
    sync: fc.record({
      path: fc
        .record(
          {
            topic: fc.oneof(fc.constant<string>(baseTopics.ingest), fc.string()),
            after: fc.oneof(
              fc.string(),
              someTxid.map(each => `${'0'.repeat(36)}-1.7.${each}`),
            ),
            limit: fc.integer({ min: -1, max: 66 }).map(String),
          },
          { requiredKeys: [] },
        )
        .map(query => `/sync?${new URLSearchParams(query)}`),
      headers: fc.constant({}),
    }),
    requestSyncResponse: json(
      '/requestSyncResponse',
      {
        version: fc.oneof(fc.constant(1), fc.integer()),
        since: fc.oneof(fc.constant(0), fc.maxSafeNat()),
        limit: fc.oneof(fc.constant(undefined), fc.integer({ min: -1, max: 10_001 })),
      },
      { 'x-bsv-topic': [baseTopics.ingest, baseTopics.ingest, baseTopics.ingest, 'tm_other', 'constructor'] },
    ),
    requestForeignGASPNode: json('/requestForeignGASPNode', {
      graphID: someTxid.map(each => `${each}.0`),
      txid: someTxid,
      outputIndex: fc.integer({ min: -1, max: 0xffff_ffff }),
      metadata: fc.boolean(),
    }),
    identity: health('/identity'),
    health: health('/health'),
    healthReady: health('/health/ready'),
    healthLive: health('/health/live'),
    metrics: health('/metrics'),
  }
}

/** The Merkle path with another number where its height stands. */
function atHeight(merklePath: string, height: string): string {
  const bytes = fromHex(merklePath) ?? new Uint8Array()
  const old = [1, 3, 5][[0xfd, 0xfe].indexOf(bytes[0] ?? 0) + 1] ?? 1
  return height + merklePath.slice(2 * old)
}

/** A body of these members: as they should be, with one of them amiss, or no such thing at all. */
function json(
  path: string,
  members: Readonly<Record<string, fc.Arbitrary<unknown>>>,
  headers: Readonly<Record<string, readonly string[]>> = {},
): fc.Arbitrary<Sent> {
  const right = fc.record(members)
  const amiss = fc
    .tuple(
      right,
      fc.constantFrom(...Object.keys(members), 'more', '__proto__'),
      fc.oneof(fc.constant(undefined), fc.jsonValue()),
    )
    .map(([value, name, other]) => ({ ...value, [name]: other }))
  const text = fc.oneof(
    { weight: 6, arbitrary: right.map(value => JSON.stringify(value)) },
    { weight: 4, arbitrary: amiss.map(value => JSON.stringify(value)) },
    { weight: 1, arbitrary: fc.json() },
    { weight: 1, arbitrary: fc.string() },
    {
      weight: 1,
      arbitrary: fc.constantFrom('', 'null', '[]', '{', `"${'x'.repeat(70_000)}"`, '['.repeat(50_000)),
    },
  )
  const common = {
    'content-type': [
      'application/json',
      'application/json',
      'text/plain',
      'application/json; charset=utf-16',
      '',
    ],
    'content-encoding': ['identity', 'identity', 'identity', 'gzip'],
  }
  return fc
    .tuple(text, headersOf({ ...common, ...headers }))
    .map(([body, given]) => ({ path, headers: given, body: Buffer.from(body) }))
}

/** Each of these headers with one of its values, or, rarely, not at all. */
function headersOf(
  values: Readonly<Record<string, readonly string[]>>,
): fc.Arbitrary<Record<string, string>> {
  const each = Object.entries(values).map(([name, list]) =>
    fc
      .option(fc.constantFrom(...list), { freq: 6 })
      .map(value => (value === null ? [] : [[name, value] as const])),
  )
  return fc.tuple(...each).map(entries => Object.fromEntries(entries.flat()))
}

/** Headers hold Latin letters; others are escaped as JSON has them. */
function encodeHeader(json: string): string {
  return json.replaceAll(/[^ -~]/g, letter => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
