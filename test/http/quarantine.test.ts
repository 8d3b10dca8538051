import { Registry } from 'prom-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { nodeApp, standingHeaders } from '../../src/http/app.ts'
import { quarantineRoutes } from '../../src/http/quarantine-routes.ts'
import { type HttpServer, httpLimits, listen } from '../../src/http/server.ts'
import type { Accept } from '../../src/ingest/arrived.ts'
import { openNodeQuarantine } from '../../src/node/node-quarantine.ts'
import { openLog } from '../../src/runtime/log.ts'
import { type LogBed, neverFull, openLogBed, sampleSource } from '../support/log-bed.ts'
import { party } from '../support/pipeline.ts'
import { testOnlyAuthentication, testOnlyIdentityHeader } from '../support/test-only-authentication.ts'
import { compareAnswers, routesOf } from './openapi-checks.ts'
import { readApiDocument } from './openapi-document.ts'
import { HttpClient, type Sent } from './raw-http.ts'

const operations = readApiDocument().operations.filter(({ tag }) => tag === 'quarantine')
const token = 'a-token-of-an-operator'
const operator = party('who decides').identityKey
const bearer = { authorization: `Bearer ${token}` }

/** Documented, and not to be had here: it takes a broken node, or more patience than a test has. */
const notHere = ['408', '500']

let bed: LogBed
let served: HttpServer
let client: HttpClient
let isFull = false
const failures: unknown[] = []
const logged: string[] = []
beforeAll(async () => {
  bed = await openLogBed()
  const accept: Accept = async arrived =>
    isFull ? { kind: 'refused', refusal: { why: 'backlog', retryAfterS: 7 } } : bed.accept(arrived)
  const app = nodeApp({
    routes: [routes(accept)],
    metrics: new Registry(),
    network: 'local',
    onFailure: error => void failures.push(error),
  })
  served = await listen(app, 0, '127.0.0.1', { ...httpLimits, headers: standingHeaders('local') })
  client = new HttpClient(served.port)
})
afterAll(async () => {
  client.close()
  await served.stop()
  await bed.end()
  expect(failures).toEqual([])
})

function routes(accept: Accept) {
  return quarantineRoutes({
    authentication: testOnlyAuthentication(),
    token,
    identityKeys: [operator],
    quarantine: openNodeQuarantine({
      pool: bed.database.pool,
      registry: { source: async () => sampleSource, stream: async id => bed.streams.get(id) },
      accept,
      pushBack: neverFull,
      enabled: true,
      now: () => bed.clock.ms,
    }),
    log: openLog('info', { write: line => void logged.push(line) }),
    onFailure: error => void failures.push(error),
  })
}

let sent = 0
/** An item with a tag that its public stream may not have. */
async function held(): Promise<string> {
  const [answer] = await bed.send([
    {
      id: `tagged-${sent++}`,
      type: 'reading',
      source: 'sensor-1',
      timestamp: bed.clock.ms,
      data: { value: 'planted-payload' },
      provenance: { policyTags: ['PII'] },
    },
  ])
  if (answer?.status !== 'quarantined') throw new Error(`not held: ${JSON.stringify(answer)}`)
  return answer.quarantineId
}

const post = (path: string, value: unknown, headers: Readonly<Record<string, string>> = bearer): Sent => ({
  path,
  headers,
  body: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
})
const get = (path: string, headers: Readonly<Record<string, string>> = bearer): Sent => ({
  method: 'GET',
  path,
  headers,
})
const without = { edit: { carried: { policyTags: null } } }
async function ask(request: Sent) {
  const { status, body } = await client.send(request)
  return { status, body: z.looseObject({}).parse(JSON.parse(body.toString())) }
}

describe('what was set aside, over HTTP', () => {
  test('is listed page by page, and shown with what was sent and what was done', async () => {
    const ids = [await held(), await held(), await held()]
    const page = z.object({
      data: z.object({ items: z.array(z.looseObject({ id: z.string() })), below: z.string().nullable() }),
    })
    for (const query of ['source=%00', 'stream=a%00b', 'tenant=%00'])
      expect((await ask(get(`/admin/quarantine?${query}`))).status).toBe(400)
    const first = page.parse((await ask(get('/admin/quarantine?limit=2&state=held'))).body).data
    expect(first.items.map(({ id }) => id)).toEqual([ids[2], ids[1]])
    const next = page.parse((await ask(get(`/admin/quarantine?limit=2&below=${first.below}`))).body).data
    expect(next.items.map(({ id }) => id)).toEqual([ids[0]])
    expect(next.below).toBeNull()
    expect((await ask(get(`/admin/quarantine/${ids[0]}`))).body).toMatchObject({
      data: {
        id: ids[0],
        reason: 'audience-mismatch',
        held: { payload: { value: 'planted-payload' }, carried: { policyTags: ['PII'] } },
        steps: [{ action: 'held', who: 'ingest' }],
      },
    })
  })

  test('is let in once, and every asking is answered as the first', async () => {
    const id = await held()
    const path = `/admin/quarantine/${id}/release`
    expect(await ask(post(path, {}))).toMatchObject({ status: 409, body: { code: 'ERR_QUARANTINE_STAYS' } })
    const first = await ask(post(path, without))
    expect(first).toMatchObject({
      status: 200,
      body: { data: { state: 'released', eventId: expect.any(String) } },
    })
    expect(await ask(post(path, {}))).toEqual(first)
    expect(await ask(post(`/admin/quarantine/${id}/waive`, { why: 'too late' }))).toMatchObject({
      status: 409,
    })
  })

  test('is waived with the reason, by whom is on record', async () => {
    const id = await held()
    const headers = { [testOnlyIdentityHeader]: operator }
    const waived = await ask(post(`/admin/quarantine/${id}/waive`, { why: 'a test' }, headers))
    expect(waived).toMatchObject({ status: 200, body: { data: { state: 'waived' } } })
    const shownNow = await ask(get(`/admin/quarantine/${id}`))
    expect(shownNow.body).toMatchObject({
      data: { steps: [{}, { action: 'waived', who: operator, detail: 'a test' }] },
    })
  })

  test('stays out of the log file, edits included', async () => {
    const id = await held()
    await ask(post(`/admin/quarantine/${id}/release`, { edit: { payload: 'planted-edit', ...without.edit } }))
    expect(logged.some(line => line.includes('"quarantineId"') && line.includes('"release"'))).toBe(true)
    expect(logged.join('')).not.toMatch(/planted|PII/)
  })
})

describe('docs/openapi.yaml, on quarantine', () => {
  test('lists its routes, and no other', () => {
    expect(routesOf(routes(bed.accept)).sort()).toEqual(
      operations.map(({ method, path }) => `${method} ${path}`).sort(),
    )
  })

  test.each(operations.map(each => [`${each.method} ${each.path}`, each] as const))(
    'tells what %s answers',
    async (_, operation) => {
      const requests = await examples(operation.id)
      const { undocumented, neverSeen } = await compareAnswers(operation, requests, async request => {
        isFull = request.full === true
        const answer = await client.send(request)
        isFull = false
        return answer
      })
      expect(undocumented).toEqual([])
      // A node that takes nothing in says so where something is to be let in, and that is had here.
      const here = operation.id === 'quarantineRelease' ? notHere : [...notHere, '503']
      expect(neverSeen.filter(status => !here.includes(status))).toEqual([])
    },
  )

  async function examples(operation: string): Promise<(Sent & { readonly full?: boolean })[]> {
    const id = await held()
    const strangers = [
      {},
      { authorization: 'Bearer another' },
      { [testOnlyIdentityHeader]: party('x').identityKey },
    ]
    if (operation === 'quarantineList')
      return [
        ...[
          '',
          '?limit=0',
          '?limit=1&state=held&source=sensor-1',
          '?colour=red',
          '?below=x',
          '?reason=none',
        ].map(query => get(`/admin/quarantine${query}`)),
        ...strangers.map(headers => get('/admin/quarantine', headers)),
      ]
    if (operation === 'quarantineInspect')
      return [
        ...[id, '0', '9'.repeat(16), '9'.repeat(17), 'x', '%00'].map(each =>
          get(`/admin/quarantine/${each}`),
        ),
        ...strangers.map(headers => get(`/admin/quarantine/${id}`, headers)),
      ]
    const action = operation === 'quarantineRelease' ? 'release' : 'waive'
    const [odd, right] = action === 'release' ? [{ edit: [] }, without] : [{ why: ' ' }, { why: 'a test' }]
    const path = `/admin/quarantine/${id}/${action}`
    const other = `/admin/quarantine/${await held()}/${action === 'release' ? 'waive' : 'release'}`
    await ask(post(other, action === 'release' ? { why: 'a test' } : without))
    return [
      ...strangers.map(headers => post(path, right, headers)),
      ...[odd, '{', [], { colour: 'red' }].map(body => post(path, body)),
      post(path, ' '.repeat(4 * 1024 * 1024 + 1)),
      { ...post(path, right), headers: { ...bearer, 'content-encoding': 'br' } },
      post(`/admin/quarantine/9999999/${action}`, right),
      post(`/admin/quarantine/x/${action}`, right),
      post(other.replace(/\w+$/, action), right),
      { ...post(path, right), full: true },
      post(path, right),
      post(path, right),
    ]
  }
})
