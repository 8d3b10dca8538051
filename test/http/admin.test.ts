import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { installNativeCurve } from '../../src/adapters/bsv/native-curve.ts'
import { writeBeef } from '../../src/contract/beef.ts'
import { baseLookupServices } from '../../src/contract/names.ts'
import { type AdminApp, adminApp } from '../support/admin-app.ts'
import { batchTransaction } from '../support/event-batches.ts'
import { party } from '../support/pipeline.ts'
import { runningNode, type TestNode } from '../support/running-node.ts'
import { authFetchOf } from '../support/stock-auth.ts'
import { faucetBeef, submitHeaders } from './good-client.ts'
import { coinOf } from './hostile-beef.ts'

const token = 'a-token-of-sixteen-or-more'
const [operator, stranger] = [party('an operator'), party('no operator')]
const curve = installNativeCurve()

let node: TestNode
let admin: AdminApp
beforeAll(async () => {
  node = await runningNode()
  admin = await adminApp(node, { token, identityKeys: [operator.identityKey] })
}, 60_000)
afterAll(async () => {
  await admin.stop()
  await node.end()
  curve.uninstall()
})

async function ask(path: string, body?: unknown, bearer: string | undefined = token) {
  const response = await fetch(`${admin.url}/admin/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: bearer === '' ? {} : { authorization: `Bearer ${bearer}` },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: response.status, body: z.record(z.string(), z.unknown()).parse(await response.json()) }
}

const changes = [
  'ban',
  'unban',
  'remove-token',
  'evictOutpoint',
  'health-check',
  'janitor',
  'syncAdvertisements',
  'startGASPSync',
]
const views = ['stats', 'ship-records', 'slap-records', 'bans']

describe('the admin routes', () => {
  test('tell anybody whom they let in', async () => {
    expect(await ask('config', undefined, '')).toEqual({
      status: 200,
      body: { adminIdentityKey: operator.identityKey, nodeName: 'assay' },
    })
  })

  test.each([...views.map(path => [path, undefined] as const), ...changes.map(path => [path, {}] as const)])(
    'let nobody else in to %s',
    async (path, body) => {
      expect(await ask(path, body, '')).toMatchObject({
        status: 401,
        body: { code: 'ERR_AUTH_UNAUTHORIZED' },
      })
      expect(await ask(path, body, `${token}x`)).toMatchObject({
        status: 403,
        body: { code: 'ERR_AUTH_FORBIDDEN' },
      })
      expect(admin.done).toEqual([])
    },
  )

  test('let an identity in that is named, and no other', async () => {
    const url = `${admin.url}/admin/stats`
    expect((await authFetchOf(operator).fetch(url)).status).toBe(200)
    expect((await authFetchOf(stranger).fetch(url)).status).toBe(403)
  })

  test('count handshakes, and those who proved nothing', async () => {
    await authFetchOf(operator).fetch(`${admin.url}/admin/stats`)
    await fetch(`${admin.url}/admin/stats`, { headers: { 'x-bsv-auth-version': '0.1' } })
    const metrics = await (await fetch(`${admin.url}/metrics`)).text()
    expect(metrics).toContain('assay_auth_handshakes_total{outcome="done"}')
    expect(metrics).toContain('assay_auth_refused_total{code="UNAUTHORIZED"}')

    const json = await fetch(`${admin.url}/metrics`, { headers: { accept: 'application/json' } })
    expect(await json.json()).toContainEqual(
      expect.objectContaining({ name: 'assay_auth_handshakes_total', type: 'counter' }),
    )
  })

  test('let nobody in where nothing is configured', async () => {
    const closed = await adminApp(node)
    const of = (headers: Record<string, string>) => fetch(`${closed.url}/admin/stats`, { headers })
    expect((await of({})).status).toBe(401)
    expect((await of({ authorization: 'Bearer undefined' })).status).toBe(403)
    expect((await authFetchOf(operator).fetch(`${closed.url}/admin/stats`)).status).toBe(403)
    await closed.stop()
  })

  test('say what is hosted', async () => {
    const { data } = z
      .object({ data: z.looseObject({ lookupServices: z.array(z.string()) }) })
      .parse((await ask('stats')).body)
    expect(data.lookupServices).toContain(baseLookupServices.events)
  })

  test('log every change with who made it, and no token', async () => {
    await ask('ban', { type: 'domain', value: 'logged.example' })
    await authFetchOf(operator).fetch(`${admin.url}/admin/unban`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ type: 'domain', value: 'logged.example' }),
    })
    const lines = admin.logged.filter(line => line.includes('logged.example'))
    expect(lines.map(line => JSON.parse(line))).toMatchObject([
      { who: 'bearer', action: 'ban', asked: { value: 'logged.example' } },
      { who: operator.identityKey, action: 'unban' },
    ])
    expect(admin.logged.join('')).not.toContain(token)
  })
})

describe('an operator', () => {
  test('turns the pages of adverts, and searches them', async () => {
    const all = await ask('ship-records?limit=2&page=2')
    expect(all.body).toMatchObject({
      status: 'success',
      data: {
        records: [{ domain: 'https://c.example', topic: 'tm_gitdata_events_ingest' }],
        total: 3,
        page: 2,
        limit: 2,
        pages: 2,
      },
    })
    expect((await ask('ship-records?search=b.ex')).body).toMatchObject({ data: { total: 1 } })
    expect((await ask('slap-records')).body).toMatchObject({
      data: { records: [], total: 0, limit: 50, pages: 0 },
    })
  })

  test.each([
    'limit=201',
    'limit=0',
    'page=0',
    'page=-1',
    'page=1&page=2',
    'limit=x',
    'type=other',
    `search=${'x'.repeat(201)}`,
    'search=%00',
  ])('is told that no page is at %s', async query => {
    expect(await ask(`ship-records?${query}`)).toMatchObject({
      status: 400,
      body: { code: 'ERR_REQUEST_INVALID' },
    })
  })

  test('bans hosts and outpoints, sees who is banned and why, and lets them in again', async () => {
    const outpoint = `${'AB'.repeat(32)}.7`
    expect((await ask('ban', { type: 'domain', value: 'https://Bad.example/', reason: 'spam' })).status).toBe(
      200,
    )
    expect((await ask('ban', { type: 'outpoint', value: outpoint })).status).toBe(200)
    expect((await ask('bans?type=domain')).body).toMatchObject({
      data: { bans: [{ type: 'domain', value: 'https://bad.example', reason: 'spam' }], total: 1 },
    })
    expect((await ask('bans?type=outpoint')).body).toMatchObject({
      data: { bans: [{ value: outpoint.toLowerCase(), reason: null }] },
    })
    expect((await ask('unban', { type: 'domain', value: 'https://bad.example' })).body['message']).toContain(
      'no longer',
    )
    expect((await ask('unban', { type: 'domain', value: 'https://bad.example' })).body['message']).toContain(
      'was not',
    )
    expect((await ask('bans?type=domain')).body).toMatchObject({ data: { total: 0, bans: [] } })
  })

  test.each<[string, unknown]>([
    ['ban', { type: 'domain', value: 'https://a.example/path' }],
    ['ban', { type: 'domain', value: 'a b' }],
    ['ban', { type: 'outpoint', value: 'abc.0' }],
    ['ban', { type: 'outpoint', value: `${'a'.repeat(64)}.4294967296` }],
    ['ban', { type: 'person', value: 'x' }],
    ['ban', { type: 'domain', value: 'a.example', reason: 'x'.repeat(501) }],
    ['ban', { type: 'domain', value: 'a.example', reason: 'a\0b' }],
    ['ban', []],
    ['ban', null],
    ['remove-token', { txid: 'a'.repeat(64) }],
    ['remove-token', { txid: 'a'.repeat(64), outputIndex: -1 }],
    ['evictOutpoint', { txid: 'a', outputIndex: 0 }],
    ['evictOutpoint', { txid: 'a'.repeat(64), outputIndex: 0, service: 'constructor' }],
    ['health-check', { url: 'ftp://a.example' }],
    ['health-check', { url: 'https://user:secret@a.example' }],
  ])('is told that %s takes no %j', async (path, body) => {
    expect((await ask(path, body)).status).toBe(400)
  })

  test('takes an output out of the answers of a service', async () => {
    const owner = party('whose batch is taken out')
    const { subject, transactions } = await faucetBeef(node.url, owner, 1)
    const batch = batchTransaction(owner, [coinOf(subject, 0, owner.privateKey)], { text: '{"n":1}\n' })
    const body = Buffer.from(writeBeef([...transactions, batch]))
    expect((await fetch(`${node.url}/submit`, { method: 'POST', headers: submitHeaders, body })).status).toBe(
      200,
    )
    const found = async () => {
      const question = { service: baseLookupServices.events, query: { txid: batch.txid } }
      const response = await fetch(`${node.url}/lookup`, { method: 'POST', body: JSON.stringify(question) })
      return z.object({ outputs: z.array(z.unknown()) }).parse(await response.json()).outputs.length
    }
    expect(await found()).toBe(1)
    const outpoint = { txid: batch.txid, outputIndex: 0, service: baseLookupServices.events }
    expect((await ask('evictOutpoint', outpoint)).status).toBe(200)
    expect(await found()).toBe(0)
  })

  test('removes an advert, and bans it together with its host', async () => {
    const advert = { txid: 'a'.repeat(64), outputIndex: 0 }
    expect((await ask('remove-token', { ...advert, ban: true, banDomain: true })).body).toMatchObject({
      data: { removed: `${advert.txid}.0`, bannedOutpoint: true, bannedDomain: 'https://a.example' },
    })
    expect((await ask('bans')).body).toMatchObject({
      data: { bans: expect.arrayContaining([expect.objectContaining({ value: 'https://a.example' })]) },
    })
  })

  test('asks whether a host is well', async () => {
    expect((await ask('health-check', { url: node.url })).body).toMatchObject({
      data: { url: node.url, healthy: true, httpStatus: 200, error: null },
    })
    expect((await ask('health-check', { url: 'http://127.0.0.1:9' })).body).toMatchObject({
      data: { healthy: false, httpStatus: null, error: expect.any(String) },
    })
  })

  test('has discovery do its work', async () => {
    expect((await ask('janitor', {})).body).toEqual({ status: 'success', data: { checked: 3, removed: 1 } })
    expect((await ask('syncAdvertisements', {})).status).toBe(200)
    expect((await ask('startGASPSync', {})).status).toBe(200)
    expect(admin.done).toEqual(['janitor', 'adverts', 'sync'])
  })
})
