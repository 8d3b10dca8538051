import { Registry } from 'prom-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { nodeApp, standingHeaders } from '../../src/http/app.ts'
import { jobRoutes } from '../../src/http/job-routes.ts'
import { type HttpServer, httpLimits, listen } from '../../src/http/server.ts'
import { openNodeJobs } from '../../src/node/node-jobs.ts'
import { openLog } from '../../src/runtime/log.ts'
import { type DisputedBed, disputedBed } from '../adapters/rounds/disputed-bed.ts'
import { party } from '../support/pipeline.ts'
import { testOnlyAuthentication, testOnlyIdentityHeader } from '../support/test-only-authentication.ts'
import { compareAnswers, routesOf } from './openapi-checks.ts'
import { readApiDocument } from './openapi-document.ts'
import { HttpClient, type Sent } from './raw-http.ts'

const operations = readApiDocument().operations.filter(
  ({ tag, path }) => tag === 'rounds' && path.startsWith('/admin/'),
)
const token = 'a-token-of-an-operator'
const operator = party('who looks after rounds').identityKey
const bearer = { authorization: `Bearer ${token}` }

/** Documented, and not to be had here: it takes a broken node, or more patience than a test has. */
const notHere = ['408', '500', '503']

let disputed: DisputedBed
let served: HttpServer
let client: HttpClient
const failures: unknown[] = []
const logged: string[] = []
beforeAll(async () => {
  disputed = await disputedBed()
  const app = nodeApp({
    routes: [routes()],
    metrics: new Registry(),
    network: 'local',
    onFailure: error => void failures.push(error),
  })
  served = await listen(app, 0, '127.0.0.1', { ...httpLimits, headers: standingHeaders('local') })
  client = new HttpClient(served.port)
}, 60_000)
afterAll(async () => {
  client.close()
  await served.stop()
  await disputed.end()
  expect(failures).toEqual([])
})

function routes() {
  const { bed, store, content } = disputed
  return jobRoutes({
    authentication: testOnlyAuthentication(),
    token,
    identityKeys: [operator],
    jobs: openNodeJobs({
      ...{ content, now: () => bed.clock.ms },
      pool: bed.fuelBed.bed.database.pool,
      reopen: store.reopen,
    }),
    log: openLog('info', { write: line => void logged.push(line) }),
    onFailure: error => void failures.push(error),
  })
}

const get = (path: string, headers: Readonly<Record<string, string>> = bearer): Sent => ({
  method: 'GET',
  path,
  headers,
})
const post = (path: string, headers: Readonly<Record<string, string>> = bearer): Sent => ({
  method: 'POST',
  path,
  headers,
})
async function ask(request: Sent) {
  const { status, body } = await client.send(request)
  return { status, body: z.looseObject({}).parse(JSON.parse(body.toString())) }
}
const listed = z.object({
  data: z.object({ items: z.array(z.looseObject({ id: z.number() })), below: z.string().nullable() }),
})
const listOf = async (path: string) => listed.parse((await ask(get(path))).body).data

describe('rounds, over HTTP', () => {
  test('are listed page by page, the newest first, and shown with who was asked and what was answered', async () => {
    const all = await listOf('/admin/rounds')
    expect(all.items).toHaveLength(2)
    const { items, below } = await listOf('/admin/rounds?limit=1')
    const rest = await listOf(`/admin/rounds?limit=1&below=${below}`)
    // Rounds of one millisecond are on one page, so that none of them falls between two.
    expect([items.length, rest.items, below === null]).toEqual([2, [], false])
    expect((await listOf('/admin/rounds?state=certifying')).items).toEqual([])
    expect((await ask(get(`/admin/rounds/${disputed.roundId}`))).body).toMatchObject({
      data: {
        state: 'over',
        members: [{ leftWhy: 'no-answer' }, { leftWhy: expect.any(String) }],
        jobs: [
          { stage: 'normalize', outcome: 'advanced', seats: [{}, {}, { conduct: 'dissenting' }] },
          { stage: 'validate', outcome: 'closed' },
        ],
      },
    })
  })

  test('show where two answers part ways, once read also when what was stored is gone', async () => {
    const [, packetId] = disputed.packetIds
    const { items } = await listOf(`/admin/conflicts?packetId=${packetId}`)
    expect(items).toMatchObject([{ packetId, decision: 'agreed', firstDifference: null }])
    const path = `/admin/conflicts/${items[0]?.id}/difference`
    const first = await ask(get(path))
    expect(first).toMatchObject({
      status: 200,
      body: {
        data: {
          part: 'output',
          line: 1,
          equalBytes: '{"line":1,"value":'.length,
          oneLine: '{"line":1,"value":20}',
          otherLine: '{"line":1,"value":70}',
        },
      },
    })
    const { folder } = disputed.content
    for (const prefix of await objectsOf(disputed)) await folder.remove(prefix)
    expect(await ask(get(path))).toEqual(first)
    const [kept] = (await listOf('/admin/conflicts')).items
    expect(kept?.['firstDifference']).toEqual(first.body['data'])
  })

  test('hold what is evidence, for good', async () => {
    const evidence = await listOf('/admin/evidence?limit=200')
    expect(new Set(evidence.items.map(({ kind }) => kind))).toEqual(new Set(['dissent', 'silent']))
    const { bed } = disputed
    for (const statement of [
      'delete from evidence',
      `update evidence set detail = '{}'`,
      'truncate evidence',
    ])
      await expect(bed.query(statement)).rejects.toThrow('never deleted or changed')
    expect(await listOf('/admin/evidence?limit=200')).toEqual(evidence)
  })

  test('let what was given up be taken up again, once, with who did it in the log', async () => {
    const [letter] = (await listOf('/admin/dead-letters?state=dead')).items
    expect(letter).toMatchObject({ packetId: disputed.packetIds[0], tries: 5 })
    const path = `/admin/dead-letters/${letter?.id}/redrive`
    const headers = { [testOnlyIdentityHeader]: operator }
    expect(await ask(post(path, headers))).toMatchObject({
      status: 200,
      body: { message: expect.stringContaining('fresh set') },
    })
    expect(await ask(post(path))).toMatchObject({
      body: { message: expect.stringContaining('not given up') },
    })
    expect((await listOf('/admin/dead-letters?state=dead')).items).toEqual([])
    expect((await listOf('/admin/dead-letters?state=redriven')).items).toMatchObject([
      { redrivenBy: operator },
    ])
    expect(logged.filter(line => line.includes('"redrive"') && line.includes(operator))).toHaveLength(1)
  })

  test('say where it cannot be taken up again, as what it builds on is gone', async () => {
    const { bed, packetIds } = disputed
    await bed.query(
      `update packet_standings set version_id = packet_id, state_out = sha256('state') where packet_no = 0`,
    )
    await bed.query(`update packet_standings set status = 'split' where packet_no = 1`)
    await bed.query(
      `insert into dead_letters (packet_id, round_id, stage, reason, tries, policy_digest, died_ms)
        select decode($1, 'hex'), round_id, stage, reason, tries, policy_digest, died_ms from dead_letters`,
      [packetIds[1]],
    )
    const [letter] = (await listOf('/admin/dead-letters?state=dead')).items
    expect(await ask(post(`/admin/dead-letters/${letter?.id}/redrive`))).toMatchObject({
      status: 404,
      body: { description: expect.stringContaining('the state that its packet builds on is not here') },
    })
    expect((await listOf('/admin/dead-letters?state=dead')).items).toEqual([letter])
  })
})

describe('docs/openapi.yaml, on rounds', () => {
  test('lists their routes, and no other', () => {
    expect(routesOf(routes()).sort()).toEqual(
      operations.map(({ method, path }) => `${method} ${path}`).sort(),
    )
  })

  test.each(operations.map(each => [`${each.method} ${each.path}`, each] as const))(
    'tells what %s answers',
    async (_, operation) => {
      const { undocumented, neverSeen } = await compareAnswers(
        operation,
        await examples(operation.path),
        sent => client.send(sent),
      )
      expect(undocumented).toEqual([])
      expect(neverSeen.filter(status => !notHere.includes(status))).toEqual([])
    },
  )

  async function examples(path: string): Promise<Sent[]> {
    const strangers = [
      {},
      { authorization: 'Bearer another' },
      { [testOnlyIdentityHeader]: party('x').identityKey },
    ]
    const proven = { [testOnlyIdentityHeader]: operator }
    if (!path.includes('{id}'))
      return [
        ...[
          '',
          '?limit=0',
          '?limit=201',
          '?limit=1',
          '?colour=red',
          '?below=x',
          '?state=dead',
          '?packetId=x',
        ].map(query => get(`${path}${query}`)),
        ...strangers.map(headers => get(path, headers)),
      ]
    const [conflict] = (await listOf('/admin/conflicts')).items
    const letters = (await listOf('/admin/dead-letters')).items
    const ids = [
      disputed.roundId,
      conflict?.id,
      letters[0]?.id,
      '0',
      '9'.repeat(16),
      '9'.repeat(17),
      'x',
      '%00',
    ]
    const right = path.replace(
      '{id}',
      String(ids[path.includes('rounds') ? 0 : path.includes('dead') ? 2 : 1]),
    )
    return [
      ...ids.map(id => post(path.replace('{id}', String(id)))),
      ...strangers.map(headers => post(right, headers)),
      ...(path.endsWith('redrive')
        ? [
            { ...post(right, proven), body: Buffer.alloc(2000, 0x20) },
            post(right, { ...proven, 'content-encoding': 'br' }),
          ]
        : []),
    ]
  }
})

async function objectsOf({ bed }: DisputedBed): Promise<string[]> {
  const rows = await bed.query<{ object: string }>(
    `select distinct encode(work_object, 'hex') as object from round_results where work_object is not null`,
  )
  return rows.map(({ object }) => object)
}
