import { connect } from 'node:net'
import express from 'express'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { type BeefTransaction, writeBeef } from '../../src/contract/beef.ts'
import { baseLookupServices } from '../../src/contract/names.ts'
import { signTransaction } from '../../src/contract/spend.ts'
import type { Transaction } from '../../src/contract/transaction.ts'
import { limitAtOnce } from '../../src/http/limit-at-once.ts'
import { type OverlayRouteLimits, overlayRoutes } from '../../src/http/overlay-routes.ts'
import { type HttpServer, listen } from '../../src/http/server.ts'
import { batchTransaction } from '../support/event-batches.ts'
import { party, payTo } from '../support/pipeline.ts'
import { runningNode, type TestNode } from '../support/running-node.ts'
import { faucetBeef, submitHeaders } from './good-client.ts'
import { coinOf } from './hostile-beef.ts'
import { exchange, type HttpAnswer, HttpClient } from './raw-http.ts'

const owner = party('somebody at the door')
const errorBody = (answer: HttpAnswer) =>
  z.object({ code: z.string(), message: z.string() }).parse(JSON.parse(answer.body.toString()))
const codeOf = (answer: HttpAnswer) => [answer.status, errorBody(answer).code]

// No block comes in its time: what is submitted here stays unproven.
let node: TestNode
let client: HttpClient
beforeAll(async () => {
  node = await runningNode({ LOCAL_BLOCK_MS: '3600000' })
  client = new HttpClient(Number(new URL(node.url).port))
}, 30_000)
afterAll(async () => {
  client.close()
  await node.end()
})

describe('every path of a node', () => {
  const get = (path: string, method = 'GET') => client.send({ method, path })

  test.each(['/submit', '/lookup', '/health', '/metrics', '/chain/tip', '/nowhere'])(
    'lets any page call it: %s',
    async path => {
      const preflight = await client.send({
        method: 'OPTIONS',
        path,
        headers: {
          origin: 'https://wallet.example',
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'x-topics, content-type',
          'access-control-request-private-network': 'true',
        },
      })
      const allowed = {
        'access-control-allow-origin': '*',
        'access-control-allow-headers': '*',
        'access-control-allow-methods': '*',
        'access-control-expose-headers': '*',
        'access-control-allow-private-network': 'true',
        'x-assay-network': 'local',
        'x-assay-economic-finality': 'false',
      }
      expect(preflight.status).toBe(200)
      expect(preflight.headers).toMatchObject(allowed)
      expect((await get(path)).headers).toMatchObject(allowed)
    },
  )

  test('answers HEAD as GET, without the body', async () => {
    for (const path of ['/health/live', '/listTopicManagers', '/metrics']) {
      const [head, full] = [await get(path, 'HEAD'), await get(path)]
      expect([head.status, head.headers['content-type'], head.body.length]).toEqual([
        full.status,
        full.headers['content-type'],
        0,
      ])
    }
  })

  test.each([
    ['GET', '/submit'],
    ['DELETE', '/submit'],
    ['PUT', '/lookup'],
    ['POST', '/health'],
    ['PROPFIND', '/listTopicManagers'],
    ['POST', '/metrics'],
    ['GET', '/SUBMIT'],
    ['GET', '/Health/Live'],
    ['GET', '/Metrics'],
    ['GET', '/'],
    ['GET', '/%'],
    ['GET', '/%00'],
    ['GET', '/..%2f..%2fetc/passwd'],
    ['GET', `/${'a'.repeat(100)}`],
  ])('says that there is no %s %s', async (method, path) => {
    expect(codeOf(await get(path, method))).toEqual([404, 'ERR_NOT_FOUND'])
  })

  test('makes no difference for a slash at its end', async () => {
    for (const path of ['/health/live', '/listTopicManagers', '/metrics'])
      expect((await get(`${path}/`)).status).toBe(200)
    expect(codeOf(await client.send({ path: '/lookup/', body: Buffer.from('{}') }))).toEqual([
      400,
      'ERR_LOOKUP_INVALID_QUERY',
    ])
  })

  test('takes a body that its client waits to be asked for', async () => {
    const port = Number(new URL(node.url).port)
    const answers = await exchange(port, socket => {
      socket.write(
        'POST /lookup HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n',
      )
      socket.once('data', () => socket.write('{}'))
    })
    expect(answers.map(codeOf)).toEqual([[400, 'ERR_LOOKUP_INVALID_QUERY']])
  })
})

describe('lookups that are not answered in their time', () => {
  test('are told so, and keep nothing else from the database', async () => {
    const holder = new pg.Client({ connectionString: node.databaseUrl })
    await holder.connect()
    await holder.query('begin; lock table gitdata_jobs in access exclusive mode')
    const body = Buffer.from(
      JSON.stringify({ service: baseLookupServices.jobs, query: { stage: 'validate' } }),
    )
    const asked = Promise.all(Array.from({ length: 24 }, () => fetchOf('/lookup', body)))
    const { told } = await Promise.race([
      fetchOf('/health').then(health => ({ told: health.status })),
      asked.then(() => ({ told: 'the lookups, first' })),
    ])
    expect(told).toBe(200)
    for (const answer of await asked) {
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
      expect(await answer.text()).toContain('ask for less')
    }
    await holder.end()
  }, 60_000)

  const fetchOf = (path: string, body?: Buffer) =>
    fetch(`${node.url}${path}`, {
      ...(body && { method: 'POST', body, headers: { 'content-type': 'application/json' } }),
    })
})

describe('a lookup whose answer is long', () => {
  // Each spends the one before, so that its history holds all of them: more than 9 MB in all for 17, and less than 8 MiB for any 12.
  const text = (n: number) => `{"n":${n},"filler":"${'x'.repeat(60_000)}"}\n`
  let chain: Transaction[]
  beforeAll(async () => {
    const { subject, transactions } = await faucetBeef(node.url, owner, 1, 100_000)
    chain = batches(subject, 17)
    const body = writeBeef([...transactions, ...chain])
    const answer = await client.send({ path: '/submit', headers: submitHeaders, body })
    expect(answer.body.toString()).toContain('"outputsToAdmit":[0]')
  }, 30_000)

  function batches(funding: Transaction, count: number): Transaction[] {
    const made: Transaction[] = []
    for (let n = 0; n < count; n++) {
      const spend = coinOf(made.at(-1) ?? funding, n === 0 ? 0 : 1, owner.privateKey)
      made.push(batchTransaction(owner, [spend], { text: text(n) }))
    }
    return made
  }

  const lookup = (limit: number) =>
    client.send({
      path: '/lookup',
      body: Buffer.from(
        JSON.stringify({
          service: baseLookupServices.events,
          query: { publisher: owner.identityKey, order: 'asc', limit },
        }),
      ),
    })

  test('is refused beyond a bound, and the message says how to go on', async () => {
    const refused = await lookup(17)
    expect(codeOf(refused)).toEqual([400, 'ERR_LOOKUP_TOO_LARGE'])
    expect(errorBody(refused).message).toContain('set a smaller limit')
  })

  test('is answered up to that bound', async () => {
    const { status, body } = await lookup(12)
    expect(status).toBe(200)
    const { outputs } = z
      .object({ outputs: z.array(z.object({ beef: z.array(z.number()) })) })
      .parse(JSON.parse(body.toString()))
    expect(outputs).toHaveLength(12)
  })
})

describe('routes with narrow bounds', () => {
  test('have a place for one submission at a time, which stays taken when its client leaves', async () => {
    const doors = await opened({ submitsAtOnceMax: 1 })
    const { subject, transactions } = await faucetBeef(node.url, owner, 1, 1_000_000)
    const heavy = manySignatures(subject, transactions)
    const leaving = connect(doors.port, '127.0.0.1')
    const head = Object.entries(submitHeaders).map(([name, value]) => `${name}: ${value}\r\n`)
    leaving.write(
      `POST /submit HTTP/1.1\r\nHost: x\r\n${head.join('')}Content-Length: ${heavy.length}\r\n\r\n`,
    )
    const other = new HttpClient(doors.port)
    const small = () => other.send({ path: '/submit', headers: submitHeaders, body: Buffer.from('no BEEF') })
    await new Promise<void>(resolve => leaving.write(heavy, () => resolve()))
    await expect.poll(async () => (await small()).status, { timeout: 20_000, interval: 1 }).toBe(503)
    leaving.resetAndDestroy()
    const busy = await small()
    expect([...codeOf(busy), busy.headers['retry-after']]).toEqual([503, 'ERR_BUSY', '1'])
    await expect.poll(async () => (await small()).status, { timeout: 20_000 }).toBe(400)
    other.close()
    await doors.stop()
  })

  test('have room for so many bytes of bodies', async () => {
    const doors = await opened({ bytesAtOnceMax: 1000 })
    const other = new HttpClient(doors.port)
    const send = (length: number) =>
      other.send({ path: '/submit', headers: submitHeaders, body: new Uint8Array(length) })
    expect(codeOf(await send(1001))).toEqual([503, 'ERR_BUSY'])
    // And all of it again, after a refusal too.
    for (let n = 0; n < 3; n++)
      expect(codeOf(await send(1000))).toEqual([400, 'ERR_OVERLAY_ADMISSION_INVALID_BEEF'])
    other.close()
    await doors.stop()
  })

  test('keep no place for a client that does not read its answer', async () => {
    // More than sockets hold on both sides.
    const long = Buffer.alloc(128 * 1024 * 1024)
    const places = limitAtOnce(1, 200)
    const app = express()
      .get('/long', (_, response) => places(response, async () => void response.end(long)))
      .get('/short', (_, response) => places(response, async () => void response.end('short')))
    const doors = await listen(app, 0, '127.0.0.1')
    const lazy = connect(doors.port, '127.0.0.1')
    lazy.on('error', () => undefined).write('GET /long HTTP/1.1\r\nHost: x\r\n\r\n')
    await new Promise(resolve => lazy.once('data', () => resolve(lazy.pause())))
    const other = new HttpClient(doors.port)
    const ask = async () => (await other.send({ method: 'GET', path: '/short' })).status
    expect(await ask()).toBe(503)
    await expect.poll(ask, { timeout: 20_000 }).toBe(200)
    lazy.destroy()
    other.close()
    await doors.stop()
  })

  function manySignatures(funding: Transaction, history: readonly BeefTransaction[]): Uint8Array {
    const coins = Array.from({ length: 3000 }, () => payTo(owner, 100))
    const fan = signTransaction([coinOf(funding, 0, owner.privateKey)], coins)
    const spends = fan.outputs.map((_, vout) => coinOf(fan, vout, owner.privateKey))
    return writeBeef([...history, fan, signTransaction(spends, [payTo(owner, 1)])])
  }
})

function opened(limits: Partial<OverlayRouteLimits>): Promise<HttpServer> {
  const app = express()
  app.use(overlayRoutes({ overlay: node.overlay, limits, onFailure: () => undefined }))
  return listen(app, 0, '127.0.0.1')
}
