import type { RequestListener } from 'node:http'
import { createAuthMiddleware } from '@bsv/auth-express-middleware'
import express from 'express'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { askIdentity } from '../../../src/adapters/auth/ask-identity.ts'
import { openOutgoing } from '../../../src/adapters/outgoing/outgoing.ts'
import { type AuthBed, authBed } from '../../support/auth-bed.ts'
import { serve } from '../../support/overlay-host.ts'
import { party } from '../../support/pipeline.ts'
import { stockWallet } from '../../support/stock-auth.ts'

const [us, peer, stranger] = [party('we who ask'), party('a peer'), party('a stranger')]
const ask = askIdentity(us, openOutgoing({ network: 'local' }))
const servers: { stop(): Promise<void> }[] = []
afterAll(async () => {
  for (const server of servers) await server.stop()
})

describe('who answers at an address', () => {
  let bed: AuthBed
  beforeAll(async () => {
    bed = await authBed()
  }, 60_000)
  afterAll(() => bed.close())

  test('is the key of one of our nodes', async () => {
    expect(await ask((await bed.open()).url)).toBe(bed.identity.identityKey)
  })

  test('is the key of the stock middleware', async () => {
    const app = express()
    app.use('/.well-known/auth', express.json())
    app.use(createAuthMiddleware({ wallet: stockWallet(peer) }))
    expect(await ask(await at(app))).toBe(peer.identityKey)
  })

  test.each([
    [404, ''],
    [405, ''],
    [501, ''],
    [401, '{}'],
    [200, '<html>'],
    [200, '{"status":"error"}'],
  ])('is nobody who proves a key, where %i is answered with "%s"', async (status, body) => {
    expect(await ask(await at((_, response) => response.writeHead(status).end(body)))).toBeUndefined()
  })

  test.each([429, 500, 502, 503, 302])('is not known where %i is answered', async status => {
    await expect(ask(await at((_, response) => response.writeHead(status).end()))).rejects.toThrow(
      String(status),
    )
  })

  test('is not known where nobody answers', async () => {
    const gone = await serve(() => undefined)
    await gone.stop()
    await expect(ask(gone.url)).rejects.toThrow('ECONNREFUSED')
  })

  test('is not known where somebody claims a key and has not got it', async () => {
    const app = express()
    app.use('/.well-known/auth', express.json(), (_, response, next) => {
      const json = response.json.bind(response)
      response.json = answer => json({ ...answer, identityKey: stranger.identityKey })
      next()
    })
    app.use(createAuthMiddleware({ wallet: stockWallet(peer) }))
    await expect(ask(await at(app))).rejects.toThrow('signature')
  })

  test('is not known where the answer is of a handshake with somebody else', async () => {
    const { url } = await bed.open()
    const app = express()
    // As it was sent to another caller, and kept.
    app.post('/.well-known/auth', express.json(), async (_, response) => {
      const kept = await fetch(`${url}/.well-known/auth`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({
          version: '0.1',
          messageType: 'initialRequest',
          identityKey: stranger.identityKey,
          initialNonce: Buffer.alloc(48, 1).toString('base64'),
        }),
      })
      response.status(kept.status).send(Buffer.from(await kept.arrayBuffer()))
    })
    await expect(ask(await at(app))).rejects.toThrow('nonce')
  })
})

async function at(answer: RequestListener): Promise<string> {
  const server = await serve(answer)
  servers.push(server)
  return server.url
}
