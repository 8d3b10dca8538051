import { createAuthMiddleware } from '@bsv/auth-express-middleware'
import express, { type Express } from 'express'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callAs } from '../../../src/adapters/auth/call-as.ts'
import { installNativeCurve } from '../../../src/adapters/bsv/native-curve.ts'
import { type HttpServer, httpLimits, listen } from '../../../src/http/server.ts'
import { type AuthApp, type AuthBed, authBed } from '../../support/auth-bed.ts'
import { fetchOutgoing } from '../../support/fetch-outgoing.ts'
import { party } from '../../support/pipeline.ts'
import { stockWallet } from '../../support/stock-auth.ts'

const [us, peer, stranger] = [party('we who call'), party('a peer'), party('a stranger')]
const json = { 'content-type': 'application/json; charset=utf-8' }

const curve = installNativeCurve()
const servers: HttpServer[] = []
afterAll(async () => {
  await Promise.all(servers.map(server => server.stop()))
  curve.uninstall()
})

/** Express is told what to answer by `build`; resolves with where. */
async function serving(build: (app: Express) => void): Promise<string> {
  const app = express()
  build(app)
  // Some of these peers never answer: nobody waits for that when they stop.
  const server = await listen(app, 0, '127.0.0.1', { ...httpLimits, drainMsMax: 100 })
  servers.push(server)
  return `http://127.0.0.1:${server.port}`
}

describe('a call to one of our nodes', () => {
  let bed: AuthBed
  let app: AuthApp
  beforeAll(async () => {
    bed = await authBed()
    app = await bed.open()
  }, 60_000)
  afterAll(() => bed.close())

  test('is answered, and says who has called', async () => {
    const { outgoing, sent } = fetchOutgoing()
    const call = callAs(us, outgoing)
    const body = Buffer.from('{"b":1.0,"a" : 1e3}')
    for (let n = 0; n < 3; n++) {
      const answer = await call(bed.identity.identityKey, {
        url: `${app.url}/who?n=${n}`,
        method: 'POST',
        headers: { ...json, 'X-BSV-Said': `call ${n}` },
        body,
      })
      expect([answer.status, JSON.parse(Buffer.from(answer.body).toString())]).toEqual([
        200,
        { identityKey: us.identityKey, body: body.toString('hex'), said: `call ${n}` },
      ])
    }
    // One handshake for all of them.
    expect(sent.map(({ url }) => new URL(url).pathname)).toEqual([
      '/.well-known/auth',
      '/who',
      '/who',
      '/who',
    ])
  })

  test('hands on what is signed of the answer, and no other header', async () => {
    const answer = await callAs(us, fetchOutgoing().outgoing)(bed.identity.identityKey, {
      url: `${app.url}/bytes`,
    })
    expect([...answer.headers]).toEqual([['x-bsv-said', 'signed']])
    expect([...answer.body]).toEqual([0, 255, 10])
  })

  test('goes on with a new session where the peer has forgotten the old one', async () => {
    const { outgoing, sent } = fetchOutgoing()
    const call = callAs(us, outgoing)
    await call(bed.identity.identityKey, { url: `${app.url}/who` })
    await bed.database.pool.query('delete from auth_sessions')
    expect((await call(bed.identity.identityKey, { url: `${app.url}/who` })).status).toBe(200)
    expect(sent).toHaveLength(5)
  })

  test('cannot have a header that would not be signed', async () => {
    const call = callAs(us, fetchOutgoing().outgoing)
    await expect(
      call(bed.identity.identityKey, { url: `${app.url}/who`, headers: { cookie: 'x' } }),
    ).rejects.toThrow('not signed')
  })
})

describe('a call to the stock middleware', () => {
  test('is answered', async () => {
    const url = await serving(app => {
      app.use('/.well-known/auth', express.json())
      app.use(express.raw({ type: () => true }))
      app.use(createAuthMiddleware({ wallet: stockWallet(peer) }))
      app.post('/echo', (request, response) => void response.json({ length: request.body.length }))
    })
    const answer = await callAs(us, fetchOutgoing().outgoing)(peer.identityKey, {
      url: `${url}/echo`,
      method: 'POST',
      body: new Uint8Array(1000),
    })
    expect(Buffer.from(answer.body).toString()).toBe('{"length":1000}')
  })

  test('survives one that asks for certificates', async () => {
    const certificatesToRequest = {
      certifiers: [stranger.identityKey],
      types: { [Buffer.alloc(32).toString('base64')]: ['everything'] },
    }
    const url = await serving(app => {
      app.use('/.well-known/auth', express.json())
      app.use(createAuthMiddleware({ wallet: stockWallet(peer), certificatesToRequest }))
    })
    const call = callAs(us, fetchOutgoing().outgoing, { callMsMax: 500 })
    await expect(call(peer.identityKey, { url: `${url}/x` })).rejects.toThrow(
      'has not answered within 500 ms',
    )
  })
})

describe('a call to somebody else', () => {
  test('is not even sent where the handshake shows it', async () => {
    const asked: string[] = []
    const url = await serving(app => {
      app.use((request, _, next) => {
        asked.push(request.path)
        next()
      })
      app.use('/.well-known/auth', express.json())
      app.use(createAuthMiddleware({ wallet: stockWallet(stranger) }))
    })
    const call = callAs(us, fetchOutgoing().outgoing)
    await expect(call(peer.identityKey, { url: `${url}/secret`, body: new Uint8Array(9) })).rejects.toThrow(
      `answers as ${stranger.identityKey}`,
    )
    expect(asked).toEqual(['/.well-known/auth'])
  })

  test.each([
    ['says nothing', () => undefined, 'has not answered within'],
    ['refuses', (_: unknown, response: express.Response) => void response.sendStatus(500), 'HTTP 500'],
    [
      'answers in prose',
      (_: unknown, response: express.Response) => void response.send('hello'),
      'no initialResponse',
    ],
    [
      'claims the key without having it',
      ({ body }: express.Request, response: express.Response) =>
        void response.json({
          version: '0.1',
          messageType: 'initialResponse',
          identityKey: peer.identityKey,
          initialNonce: Buffer.alloc(48).toString('base64'),
          yourNonce: body.initialNonce,
          signature: [0x30, 6, 2, 1, 1, 2, 1, 1],
        }),
      'Unable to verify initial response signature',
    ],
  ])('fails where it %s', async (_, handle, message) => {
    const url = await serving(app => void app.post('/.well-known/auth', express.json(), handle))
    const call = callAs(us, fetchOutgoing().outgoing, { callMsMax: 500 })
    await expect(call(peer.identityKey, { url: `${url}/x` })).rejects.toThrow(message)
  })
})

describe('an answer on its way', () => {
  /** A sound peer, behind somebody who changes what it says to /x. */
  async function changed(change: (answer: { status: number; headers: Headers; body: Uint8Array }) => void) {
    const url = await serving(app => {
      app.use('/.well-known/auth', express.json())
      app.use(createAuthMiddleware({ wallet: stockWallet(peer) }))
      app.get('/x', (_, response) => void response.set('x-bsv-price', '1').json({ price: 1 }))
    })
    const { outgoing, sent } = fetchOutgoing()
    const call = callAs(us, async (to, request) => {
      const answer = await outgoing(to, request)
      const copy = { ...answer, headers: new Headers(answer.headers) }
      if (to.endsWith('/x')) change(copy)
      return copy
    })
    return { sent, ask: () => call(peer.identityKey, { url: `${url}/x` }) }
  }

  test('is believed where nothing was changed', async () => {
    const { ask } = await changed(() => undefined)
    expect((await ask()).status).toBe(200)
  })

  test.each<[string, Parameters<typeof changed>[0]]>([
    ['its body', answer => void answer.body.fill(0x30)],
    ['its status', answer => void Object.assign(answer, { status: 201 })],
    ['a signed header', answer => answer.headers.set('x-bsv-price', '2')],
    ['its nonce', answer => answer.headers.set('x-bsv-auth-nonce', Buffer.alloc(32).toString('base64'))],
    ['the session', answer => answer.headers.set('x-bsv-auth-your-nonce', 'AAAA')],
    ['its signature', answer => answer.headers.set('x-bsv-auth-signature', '00')],
    ['who gives it', answer => answer.headers.set('x-bsv-auth-identity-key', stranger.identityKey)],
    ['its version', answer => answer.headers.set('x-bsv-auth-version', '9')],
  ])('is not believed with %s changed', async (_, change) => {
    const { ask } = await changed(change)
    await expect(ask()).rejects.toThrow()
  })

  test('is asked for once more without its signature, and no more than that', async () => {
    let isLost = false
    const { ask, sent } = await changed(({ headers }) => {
      if (isLost) headers.delete('x-bsv-auth-signature')
    })
    await ask()
    isLost = true
    await expect(ask()).rejects.toThrow('has not signed it')
    expect(sent).toHaveLength(2 + 3)
  })
})
