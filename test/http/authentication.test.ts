import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Peer } from '@bsv/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { callAs } from '../../src/adapters/auth/call-as.ts'
import { installNativeCurve } from '../../src/adapters/bsv/native-curve.ts'
import { type AuthApp, type AuthBed, authBed } from '../support/auth-bed.ts'
import { fetchOutgoing } from '../support/fetch-outgoing.ts'
import { party } from '../support/pipeline.ts'
import { roundRobin } from '../support/round-robin.ts'
import { authFetchOf } from '../support/stock-auth.ts'
import { until } from '../support/until.ts'
import { type HttpAnswer, HttpClient, type Sent } from './raw-http.ts'

const caller = party('somebody who proves it')
const said = z.object({ identityKey: z.string(), body: z.string(), said: z.string().nullable() })

let bed: AuthBed
let app: AuthApp
const curve = installNativeCurve()
beforeAll(async () => {
  bed = await authBed()
  app = await bed.open()
}, 60_000)
afterAll(async () => {
  await bed.close()
  curve.uninstall()
})

describe('the stock AuthFetch', () => {
  test('is told who it is, and what it sent', async () => {
    const response = await authFetchOf(caller).fetch(`${app.url}/who?a=1`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-bsv-said': 'hello' },
      body: '{"b":1.0,"a" : 1e3}',
    })
    expect(response.status).toBe(200)
    expect(said.parse(await response.json())).toEqual({
      identityKey: caller.identityKey,
      body: Buffer.from('{"b":1.0,"a" : 1e3}').toString('hex'),
      said: 'hello',
    })
    expect(response.headers.get('x-bsv-auth-identity-key')).toBe(bed.identity.identityKey)
  })

  test.each([
    ['GET', undefined],
    ['POST', undefined],
    ['PUT', ''],
    ['DELETE', undefined],
  ])('may send no body with %s', async (method, body) => {
    const response = await authFetchOf(caller).fetch(`${app.url}/who`, {
      method,
      ...(body !== undefined && { body }),
    })
    expect(said.parse(await response.json()).body).toBe('')
  })

  test('gets refusals, failures and bytes signed as any answer', async () => {
    const client = authFetchOf(caller)
    const refused = await client.fetch(`${app.url}/refuses`)
    expect([refused.status, await refused.json()]).toEqual([
      503,
      { status: 'error', isError: true, code: 'ERR_BUSY', message: 'come again', description: 'come again' },
    ])
    const failed = await client.fetch(`${app.url}/throws`)
    expect(failed.status).toBe(500)
    expect(await failed.text()).not.toContain('a secret of ours')
    expect(app.failures.splice(0)).toHaveLength(1)
    const bytes = await client.fetch(`${app.url}/bytes`)
    expect([bytes.headers.get('x-bsv-said'), [...new Uint8Array(await bytes.arrayBuffer())]]).toEqual([
      'signed',
      [0, 255, 10],
    ])
  })

  test('may ask for many things at once, and over two sessions of one identity', async () => {
    const clients = [authFetchOf(caller), authFetchOf(caller)]
    for (const client of clients) await client.fetch(`${app.url}/who`)
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => clients[n % 2]?.fetch(`${app.url}/who?n=${n}`)),
    )
    expect(answers.map(answer => answer?.status)).toEqual(Array(20).fill(200))
  })

  test('is known to every node behind a balancer, and after one has started anew', async () => {
    const other = await bed.open()
    const balancer = await roundRobin([app.port, other.port])
    const client = authFetchOf(caller)
    const ask = async () => (await client.fetch(`${balancer.url}/who`)).status
    for (let n = 0; n < 6; n++) expect(await ask()).toBe(200)
    await other.stop()
    const again = await bed.open({ port: other.port })
    for (let n = 0; n < 6; n++) expect(await ask()).toBe(200)
    expect(again.handshakes).toEqual([])
    expect([...balancer.served.values()].every(count => count >= 6)).toBe(true)
    await balancer.close()
    await again.stop()
  })
})

describe('a captured request', () => {
  test('is refused by every node, and by one that has started since', async () => {
    const sent = await signed(app)
    expect((await send(app, sent)).status).toBe(200)
    const other = await bed.open()
    for (const each of [app, other, app])
      expect(codeOf(await send(each, sent))).toEqual([401, 'ERR_AUTH_INVALID_NONCE'])
    await other.stop()
  })

  test('is answered once, however many come at once', async () => {
    const other = await bed.open()
    const sent = await signed(app)
    const answers = await Promise.all(Array.from({ length: 16 }, (_, n) => send(n % 2 ? app : other, sent)))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(15).fill(401)])
    await other.stop()
  })

  test.each<[string, Partial<Sent>]>([
    ['another path', { path: '/refuses' }],
    ['a query', { path: '/who?admin=1' }],
    ['another method', { method: 'PUT' }],
    ['another body', { body: Buffer.from('{"a":2}') }],
    ['no body', { body: [] }],
    ['one more signed header', { headers: { 'x-bsv-said': 'more' } }],
    ['a bearer token', { headers: { authorization: 'Bearer x' } }],
    ['another type', { headers: { 'content-type': 'text/html' } }],
  ])('does not hold with %s', async (_, change) => {
    const sent = await signed(app, Buffer.from('{"a":1}'))
    const changed = { ...sent, ...change, headers: { ...sent.headers, ...change.headers } }
    expect(codeOf(await send(app, changed))).toEqual([401, 'ERR_AUTH_FAILED'])
    // Nor is anything used up by that.
    expect((await send(app, sent)).status).toBe(200)
  })

  test('has to be sent to the path that URLs would make of it', async () => {
    const sent = await signed(app)
    expect(codeOf(await send(app, { ...sent, path: '/who?"' }))).toEqual([400, 'ERR_REQUEST_INVALID'])
  })

  test('does not hold in the name of somebody else, or in another session', async () => {
    const [sent, other] = [await signed(app), await signed(app, undefined, party('another caller'))]
    const swap = (name: string) => ({
      ...sent,
      headers: { ...sent.headers, [name]: other.headers?.[name] ?? '' },
    })
    expect(codeOf(await send(app, swap('x-bsv-auth-identity-key')))).toEqual([
      401,
      'ERR_AUTH_IDENTITY_KEY_MISMATCH',
    ])
    expect(codeOf(await send(app, swap('x-bsv-auth-your-nonce')))).toEqual([
      401,
      'ERR_AUTH_IDENTITY_KEY_MISMATCH',
    ])
    expect(codeOf(await send(app, swap('x-bsv-auth-signature')))).toEqual([401, 'ERR_AUTH_FAILED'])
    expect(codeOf(await send(app, swap('x-bsv-auth-request-id')))).toEqual([401, 'ERR_AUTH_FAILED'])
    expect(codeOf(await send(app, swap('x-bsv-auth-nonce')))).toEqual([401, 'ERR_AUTH_FAILED'])
  })
})

describe('headers that say nothing sound', () => {
  test.each<[string, string, string]>([
    ['version', '', 'UNAUTHORIZED'],
    ['version', '0.2', 'ERR_AUTH_FAILED'],
    ['identity-key', '', 'UNAUTHORIZED'],
    ['identity-key', '02'.padEnd(66, 'z'), 'ERR_AUTH_FAILED'],
    ['identity-key', '02'.padEnd(66, 'f'), 'ERR_AUTH_FAILED'],
    ['identity-key', '04'.padEnd(130, '1'), 'ERR_AUTH_FAILED'],
    ['identity-key', caller.identityKey.toUpperCase(), 'ERR_AUTH_FAILED'],
    ['nonce', '', 'UNAUTHORIZED'],
    ['nonce', 'AA==', 'ERR_AUTH_FAILED'],
    ['nonce', '%%%', 'ERR_AUTH_FAILED'],
    ['nonce', 'A'.repeat(8000), 'ERR_AUTH_FAILED'],
    ['your-nonce', '', 'UNAUTHORIZED'],
    ['your-nonce', randomBytes(32).toString('base64'), 'ERR_AUTH_FAILED'],
    ['your-nonce', randomBytes(48).toString('base64'), 'ERR_AUTH_SESSION_EXPIRED'],
    ['request-id', '', 'UNAUTHORIZED'],
    ['request-id', randomBytes(31).toString('base64'), 'ERR_AUTH_FAILED'],
    ['signature', '', 'UNAUTHORIZED'],
    ['signature', '00', 'ERR_AUTH_FAILED'],
    ['signature', 'x'.repeat(140), 'ERR_AUTH_FAILED'],
  ])('are refused: x-bsv-auth-%s: %s', async (name, value, code) => {
    const sent = await signed(app)
    const headers = { ...sent.headers, [`x-bsv-auth-${name}`]: value }
    expect(codeOf(await send(app, { ...sent, headers }))).toEqual([401, code])
  })

  test('are refused by the thousand, and nothing is left of them', async () => {
    const sent = await signed(app)
    const { peers, restore } = watchPeers()
    const rowsBefore = await sessionRows()
    const bogus = (headers: Record<string, string>) =>
      send(app, { ...sent, headers: { ...sent.headers, ...headers } })
    await storm(1500, () => bogus({ 'x-bsv-auth-your-nonce': randomBytes(48).toString('base64') }))
    await storm(500, () => bogus({ 'x-bsv-auth-nonce': randomBytes(12).toString('base64') }))
    // The SDK has not seen any of these.
    expect(peers).toHaveLength(0)
    // And these, in a session that there is, it has let go of.
    await storm(1000, () => bogus({ 'x-bsv-auth-nonce': randomBytes(32).toString('base64') }))
    expect(peers).toHaveLength(1000)
    const collect = garbageCollector()
    await until(() => {
      collect()
      return peers.filter(peer => peer.deref() !== undefined).length < 20
    })
    expect(await sessionRows()).toEqual(rowsBefore)
    expect((await send(app, sent)).status).toBe(200)
    restore()
  }, 60_000)
})

describe('a handshake', () => {
  const sound = () => ({
    version: '0.1',
    messageType: 'initialRequest',
    identityKey: caller.identityKey,
    initialNonce: randomBytes(48).toString('base64'),
  })

  test('that asks for certificates is answered without any', async () => {
    const answer = await greet(app, {
      ...sound(),
      requestedCertificates: { certifiers: [caller.identityKey], types: { AAAA: ['name'] } },
      certificates: [{ type: 'x' }],
    })
    expect(answer.status).toBe(200)
    expect(JSON.parse(answer.body.toString())).not.toHaveProperty('certificates')
  })

  test.each<[string, unknown, number, string]>([
    [
      'a request for certificates',
      { ...sound(), messageType: 'certificateRequest' },
      400,
      'ERR_REQUEST_INVALID',
    ],
    ['certificates', { ...sound(), messageType: 'certificateResponse' }, 400, 'ERR_REQUEST_INVALID'],
    ['an answer', { ...sound(), messageType: 'initialResponse' }, 400, 'ERR_REQUEST_INVALID'],
    ['a general message', { ...sound(), messageType: 'general' }, 400, 'ERR_REQUEST_INVALID'],
    ['another version', { ...sound(), version: '1.0' }, 400, 'ERR_REQUEST_INVALID'],
    ['no key', { ...sound(), identityKey: '' }, 401, 'UNAUTHORIZED'],
    ['no nonce', { ...sound(), initialNonce: undefined }, 401, 'UNAUTHORIZED'],
    ['a key that is none', { ...sound(), identityKey: '02'.padEnd(66, 'f') }, 400, 'ERR_REQUEST_INVALID'],
    ['a key of another type', { ...sound(), identityKey: { length: 66 } }, 400, 'ERR_REQUEST_INVALID'],
    ['a nonce of another type', { ...sound(), initialNonce: ['AAAA'] }, 400, 'ERR_REQUEST_INVALID'],
    ['a nonce that is not base64', { ...sound(), initialNonce: '"'.repeat(64) }, 400, 'ERR_REQUEST_INVALID'],
    ['a long nonce', { ...sound(), initialNonce: 'A'.repeat(4000) }, 400, 'ERR_REQUEST_INVALID'],
    ['a list', [], 400, 'ERR_REQUEST_INVALID'],
    ['nothing', null, 400, 'ERR_REQUEST_INVALID'],
    ['a megabyte', 'x'.repeat(1024 * 1024), 413, 'ERR_REQUEST_TOO_LARGE'],
  ])('is refused with %s', async (_, body, status, code) => {
    expect(codeOf(await greet(app, body))).toEqual([status, code])
  })

  test('is answered whatever the header with the id of a request says', async () => {
    const headers = { 'x-bsv-auth-request-id': randomBytes(32).toString('base64') }
    const answers = [greet(app, sound(), headers), greet(app, sound(), headers)]
    for (const answer of await Promise.all(answers)) expect(answer.status).toBe(200)
  })

  test('under another spelling of its path is none, and takes no place for good', async () => {
    const few = await bed.open({ limits: { handshakesAtOnceMax: 2 } })
    const client = new HttpClient(few.port)
    const body = Buffer.from(
      JSON.stringify({
        version: '0.1',
        messageType: 'initialRequest',
        identityKey: caller.identityKey,
        initialNonce: randomBytes(48).toString('base64'),
      }),
    )
    const statuses: number[] = []
    for (let n = 0; n < 3; n++)
      statuses.push((await client.send({ path: '/.well-known/auth/', body })).status)
    expect(statuses).toEqual([404, 404, 404])
    expect((await client.send({ path: '/.well-known/auth?x', body })).status).toBe(200)
    expect((await authFetchOf(caller).fetch(`${few.url}/who`)).status).toBe(200)
    client.close()
    await few.stop()
  })

  test('gets the same nonce into two answers at once, each with its own session', async () => {
    const same = sound()
    const answers = await Promise.all([greet(app, same), greet(app, same)])
    const nonces = answers.map(({ body }) =>
      z.object({ initialNonce: z.string() }).parse(JSON.parse(body.toString())),
    )
    expect(new Set(nonces.map(({ initialNonce }) => initialNonce)).size).toBe(2)
  })

  test('under the name of somebody who has proven it takes nothing from them', async () => {
    const few = await bed.open({ limits: { sessionsPerPeerMax: 3 } })
    const victim = party('somebody whose name is taken')
    const client = authFetchOf(victim)
    expect((await client.fetch(`${few.url}/who`)).status).toBe(200)
    await storm(50, () => greet(few, { ...sound(), identityKey: victim.identityKey }))
    expect((await client.fetch(`${few.url}/who`)).status).toBe(200)
    expect(few.refused).toEqual([])
    expect(await sessionRows(victim.identityKey)).toBe(3)
    await few.stop()
  })

  test('makes room for itself among the proven sessions of its own peer', async () => {
    const few = await bed.open({ limits: { sessionsPerPeerMax: 3 } })
    const many = party('somebody with many clients')
    for (let n = 0; n < 6; n++) expect((await authFetchOf(many).fetch(`${few.url}/who`)).status).toBe(200)
    expect(await sessionRows(many.identityKey)).toBe(3)
    await few.stop()
  })

  test('is put off where all sessions are taken, until some have expired', async () => {
    let nowMs = Date.now()
    const full = await authBed()
    const narrow = await full.open({ limits: { sessionsMax: 5, sweepMs: 20 }, now: () => nowMs })
    let strangers = 0
    const refused = await until(async () => {
      const { identityKey } = party(`stranger ${strangers++}`)
      const answer = await greet(narrow, { ...sound(), identityKey })
      return answer.status !== 200 && answer
    })
    expect([...codeOf(refused), refused.headers['retry-after']]).toEqual([503, 'ERR_BUSY', '1'])
    const { rows } = await full.database.pool.query('select from auth_sessions')
    expect(rows.length).toBeLessThanOrEqual(5)
    expect(narrow.handshakes.at(-1)).toBe('full')
    nowMs += 61_000
    await until(() => narrow.sessionCount() === 0)
    expect((await greet(narrow, sound())).status).toBe(200)
    await full.close()
  })
})

describe('a session', () => {
  test('ends after its time, and the stock client begins another', async () => {
    let nowMs = Date.now()
    const old = await bed.open({ now: () => nowMs })
    const sent = await signed(old)
    const client = authFetchOf(caller)
    await client.fetch(`${old.url}/who`)
    nowMs += 3_600_001
    expect(codeOf(await send(old, sent))).toEqual([401, 'ERR_AUTH_SESSION_EXPIRED'])
    expect((await client.fetch(`${old.url}/who`)).status).toBe(200)
    expect(old.handshakes).toHaveLength(3)
    await old.stop()
  })

  test('ends after so many requests, and takes what was said in it along', async () => {
    const short = await bed.open({ limits: { requestsPerSessionMax: 2, sweepMs: 20 } })
    const talker = party('somebody who talks much')
    const client = authFetchOf(talker)
    for (let n = 0; n < 5; n++) expect((await client.fetch(`${short.url}/who`)).status).toBe(200)
    expect(short.handshakes).toHaveLength(3)
    await short.stop()
  })

  test('is forgotten together with its nonces', async () => {
    let nowMs = Date.now()
    const own = await authBed()
    const swept = await own.open({ limits: { sweepMs: 20 }, now: () => nowMs })
    await authFetchOf(caller).fetch(`${swept.url}/who`)
    const rows = async () => {
      const { rows } = await own.database.pool.query<{ sessions: number; nonces: number }>(
        'select (select count(*) from auth_sessions) as sessions, (select count(*) from auth_nonces) as nonces',
      )
      return rows[0]
    }
    expect(await rows()).toEqual({ sessions: 1, nonces: 1 })
    nowMs += 3_600_001
    await until(async () => (await rows())?.sessions === 0)
    expect(await rows()).toEqual({ sessions: 0, nonces: 0 })
    await own.close()
  })
})

describe('a body under a signature', () => {
  test('may be as long as the route says', async () => {
    const { outgoing } = fetchOutgoing()
    const ask = (length: number) =>
      callAs(caller, outgoing, { answerBytesMax: 4_000_000 })(bed.identity.identityKey, {
        url: `${app.url}/who`,
        method: 'POST',
        body: new Uint8Array(length),
      })
    expect((await ask(1024 * 1024)).status).toBe(200)
    await expect(ask(1024 * 1024 + 1)).rejects.toThrow('HTTP 413')
  })

  test('has to come within its time, however steadily it comes', async () => {
    const impatient = await bed.open({ limits: { bodyMsMax: 200 } })
    const { path, headers = {} } = await signed(impatient, Buffer.from('in one go'))
    const socket = connect(impatient.port, '127.0.0.1')
    const lines = Object.entries({ ...headers, 'content-length': '9000' }).map(
      ([name, value]) => `${name}: ${value}`,
    )
    socket.write([`POST ${path} HTTP/1.1`, 'host: x', ...lines, '', ''].join('\r\n'))
    const dripping = setInterval(() => socket.write('s'), 20)
    const [answer] = await once(socket, 'data')
    expect(String(answer)).toMatch(/^HTTP\/1.1 408 /)
    clearInterval(dripping)
    socket.destroy()
    await impatient.stop()
  })

  test('is not read of somebody who has no session', async () => {
    const sent = await signed(app)
    const headers = {
      ...sent.headers,
      'x-bsv-auth-your-nonce': randomBytes(48).toString('base64'),
      'content-length': '1000000',
    }
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const socket = connect(app.port, '127.0.0.1')
    socket.write(`POST /who HTTP/1.1\r\nHost: x\r\n${lines.join('')}\r\nnot all of it`)
    const [first] = await once(socket, 'data')
    expect(String(first)).toContain('HTTP/1.1 401')
    socket.destroy()
  })
})

/** Sound, signed by this caller, and not arrived yet. */
async function signed({ url }: AuthApp, body?: Uint8Array, by = caller): Promise<Sent> {
  const caught: Sent[] = []
  const { outgoing } = fetchOutgoing()
  const call = callAs(by, async (to, request = {}) => {
    if (!to.endsWith('/who')) return outgoing(to, request)
    const { method = '', headers = {} } = request
    caught.push({ path: '/who', method, headers, ...(body && { body }) })
    throw new Error('lost on its way')
  })
  const request = { url: `${url}/who`, ...(body && { method: 'POST', body }) }
  await expect(call(bed.identity.identityKey, request)).rejects.toThrow('lost on its way')
  return caught[0] ?? never()
}

async function send({ port }: AuthApp, sent: Sent): Promise<HttpAnswer> {
  const client = new HttpClient(port)
  try {
    return await client.send(sent)
  } finally {
    client.close()
  }
}

function greet(
  app: AuthApp,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<HttpAnswer> {
  return send(app, { path: '/.well-known/auth', headers, body: Buffer.from(JSON.stringify(body)) })
}

function codeOf({ status, body }: HttpAnswer): [number, string] {
  return [status, z.object({ code: z.string() }).parse(JSON.parse(body.toString())).code]
}

async function sessionRows(identityKey?: string): Promise<number | undefined> {
  const { rows } = await bed.database.pool.query<{ count: number }>(
    'select count(*) from auth_sessions where $1::bytea is null or identity = $1',
    [identityKey === undefined ? null : Buffer.from(identityKey, 'hex')],
  )
  return rows[0]?.count
}

/** Sixteen at a time. */
async function storm(count: number, one: () => Promise<unknown>): Promise<void> {
  const left = Array.from({ length: count }).values()
  const work = async () => {
    for (const _ of left) await one()
  }
  await Promise.all(Array.from({ length: 16 }, work))
}

/** Every peer of the SDK that begins to listen, for as long as it is alive. */
function watchPeers(): { readonly peers: readonly WeakRef<Peer>[]; restore(): void } {
  const peers: WeakRef<Peer>[] = []
  const stock = Peer.prototype.listenForGeneralMessages
  Peer.prototype.listenForGeneralMessages = function (this: Peer, callback) {
    peers.push(new WeakRef(this))
    return stock.call(this, callback)
  }
  return {
    peers,
    restore() {
      Peer.prototype.listenForGeneralMessages = stock
    },
  }
}

function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc')
  return z.custom<() => void>(gc => typeof gc === 'function').parse(runInNewContext('gc'))
}

function never(): never {
  throw new Error('there is none')
}
