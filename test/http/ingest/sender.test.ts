import { createHmac, randomBytes } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { signRequest } from '../../../src/contract/request-signature.ts'
import { utf8 } from '../../../src/core/bytes.ts'
import { sha256Hex } from '../../../src/core/sha256.node.ts'
import { type IngestBed, openIngestBed, post } from '../../support/ingest-bed.ts'
import { party } from '../../support/pipeline.ts'
import { authFetchOf } from '../../support/stock-auth.ts'

const [publisher, stranger] = [party('a publisher'), party('somebody else')]
const [older, newer] = [randomBytes(32), randomBytes(24)]
const text = (secret: Uint8Array) => `whsec_${Buffer.from(secret).toString('base64')}`

let bed: IngestBed
let ingest: string
let count = 0
beforeAll(async () => {
  bed = await openIngestBed()
  ingest = `${bed.url}/ingest/events`
  bed.putSource({ sourceId: 'open' })
  bed.putSource({ sourceId: 'hooked', authentication: 'hmac' })
  bed.putSecrets('hooked', [newer, older])
  bed.putSource({ sourceId: 'hooked-too', authentication: 'hmac' })
  bed.putSecrets('hooked-too', [randomBytes(32)])
  bed.putSource({ sourceId: 'signed', authentication: 'legacy', identityKey: publisher.identityKey })
  bed.putSource({ sourceId: 'signed-too', authentication: 'legacy', identityKey: publisher.identityKey })
  bed.putSource({ sourceId: 'proven', authentication: 'brc104', identityKey: publisher.identityKey })
  bed.putSource({
    sourceId: 'of-a-tenant',
    authentication: 'legacy',
    identityKey: publisher.identityKey,
    tenantId: 'acme',
  })
}, 60_000)
afterAll(() => bed.end())

/** Never the same twice. */
const bodyOf = (sourceId: string) => JSON.stringify({ sourceId, events: [{ timestamp: ++count, n: count }] })

describe('a source that signs as Standard Webhooks does', () => {
  const signed = (body: string, secret = newer, { id = `msg_${++count}`, at = new Date() } = {}) => ({
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(text(secret)).sign(id, at, body),
  })

  test.each([
    ['the newer', newer],
    ['the older', older],
  ])('is let in with %s of two secrets, by the published library', async (_, secret) => {
    const body = bodyOf('hooked')
    expect(await post(ingest, body, signed(body, secret))).toMatchObject({ status: 200, body: { count: 1 } })
  })

  test('may sign with several secrets at once, also of versions that nobody knows', async () => {
    const body = bodyOf('hooked')
    const headers = signed(body)
    const many = `v2,abc v1,${randomBytes(32).toString('base64')} ${headers['webhook-signature']}`
    expect(await post(ingest, body, { ...headers, 'webhook-signature': many })).toMatchObject({ status: 200 })
  })

  test('may send bytes that are no text', async () => {
    const body = Buffer.concat([Buffer.from('{"timestamp":1,"n":1}\n'), Buffer.from([0xff, 0xfe, 0x0a])])
    const [id, seconds] = ['msg_bytes', String(Math.floor(Date.now() / 1000))]
    // The library signs the text that bytes are read as, so this is signed by hand.
    const mac = createHmac('sha256', newer).update(`${id}.${seconds}.`).update(body).digest('base64')
    const response = await fetch(`${ingest}?sourceId=hooked`, {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/x-ndjson',
        'webhook-id': id,
        'webhook-timestamp': seconds,
        'webhook-signature': `v1,${mac}`,
      },
    })
    expect(response.status).toBe(200)
  })

  test('gets the same answer for a message that it sends again', async () => {
    const body = JSON.stringify({ sourceId: 'hooked', events: [{ n: 1 }] })
    const at = new Date()
    const first = await post(ingest, body, signed(body, newer, { id: 'msg_again', at }))
    const later = new Date(at.getTime() + 60_000)
    const again = await post(ingest, body, signed(body, older, { id: 'msg_again', at: later }))
    expect([first.status, again.status, again.headers.get('idempotent-replayed')]).toEqual([200, 200, 'true'])
    expect(again.body).toEqual(first.body)
    const other = JSON.stringify({ sourceId: 'hooked', events: [{ n: 2 }] })
    expect(await post(ingest, other, signed(other, newer, { id: 'msg_again' }))).toMatchObject({
      status: 422,
      body: { code: 'idempotency-key-reused' },
    })
  })

  test('is told of a body that is not the signed one, and of which bytes came', async () => {
    const body = bodyOf('hooked')
    const sent = JSON.stringify(JSON.parse(body), null, 1)
    const { status, body: problem } = await post(ingest, sent, signed(body))
    expect([status, problem['code'], problem['bodySha256']]).toEqual([
      401,
      'signature-invalid',
      sha256Hex(utf8(sent)),
    ])
    expect(problem['detail']).toContain('was the body re-serialised?')
    for (const secret of [newer, older])
      expect(JSON.stringify(problem)).not.toContain(secret.toString('base64'))
  })

  test.each([
    ['under another secret', (body: string) => signed(body, randomBytes(32)), 'signature-invalid'],
    [
      'moved to another id',
      (body: string) => ({ ...signed(body), 'webhook-id': 'msg_other' }),
      'signature-invalid',
    ],
    [
      'moved to another time',
      (body: string) => ({ ...signed(body), 'webhook-timestamp': String(Math.floor(Date.now() / 1000) - 7) }),
      'signature-invalid',
    ],
    [
      'of six minutes ago',
      (body: string) => signed(body, newer, { at: new Date(Date.now() - 360_000) }),
      'signature-expired',
    ],
    [
      'of six minutes ahead',
      (body: string) => signed(body, newer, { at: new Date(Date.now() + 360_000) }),
      'signature-expired',
    ],
    [
      'in pieces',
      (body: string) => ({ ...signed(body), 'webhook-signature': 'v1,AAAA' }),
      'signature-invalid',
    ],
    ['left out', () => ({}), 'signature-missing'],
  ])('is refused with a signature %s', async (_, headersOf, code) => {
    const body = bodyOf('hooked')
    expect(await post(ingest, body, headersOf(body))).toMatchObject({ status: 401, body: { code } })
  })

  test('cannot be spoken for by another source with a secret of its own', async () => {
    const body = bodyOf('hooked-too')
    expect(await post(ingest, body, signed(body))).toMatchObject({ status: 401 })
  })

  test('cannot move bytes between id and body', async () => {
    const body = bodyOf('hooked')
    const headers = signed(body, newer, { id: 'a.b' })
    expect(await post(ingest, body, headers)).toMatchObject({ status: 400, body: { code: 'bad-request' } })
  })

  test('sends CloudEvents in structured mode, where the signature covers them', async () => {
    const body = '{"n":1}'
    const event = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s', 'ce-type': 't' }
    const answer = await post(`${ingest}?sourceId=hooked`, body, { ...event, ...signed(body) })
    expect(answer).toMatchObject({ status: 400, body: { detail: expect.stringContaining('binary mode') } })
  })
})

describe('a source that signs with X-Signature', () => {
  type How = { path?: string; version?: 1 | 2; nonce?: string; by?: typeof publisher }
  let last = 0
  const nonceAt = (ms: number) => `${ms}${String(++last).padStart(6, '0')}`
  const signed = (
    body: string,
    { path = '/ingest/events', version = 1, nonce = nonceAt(Date.now()), by = publisher }: How = {},
  ) => ({
    'x-identity-key': by.identityKey,
    'x-nonce': nonce,
    'x-signature': signRequest({ method: 'POST', path, nonce, body: utf8(body) }, version, by.privateKey),
    ...(version === 2 && { 'x-signature-version': '2' }),
  })

  test.each([1, 2] as const)('is let in with version %i', async version => {
    const body = bodyOf('signed')
    const path = '/overlay/events/ingest'
    expect(await post(bed.url + path, body, signed(body, { path, version }))).toMatchObject({
      status: 200,
      body: { overlayMetadata: { sourceVerified: true, identityScore: 50 } },
    })
  })

  test('is let in once with one signature, whichever node it goes to', async () => {
    const other = await bed.another()
    const body = bodyOf('signed')
    const headers = signed(body)
    const answers = await Promise.all(
      [ingest, `${other.url}/ingest/events`, ingest].map(url => post(url, body, headers)),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401])
    expect(answers.filter(({ status }) => status === 401).map(({ body }) => body['code'])).toEqual([
      'signature-replayed',
      'signature-replayed',
    ])
  })

  test('does not lose its nonce to somebody without its key', async () => {
    const body = bodyOf('signed')
    const headers = signed(body)
    const forged = { ...headers, 'x-signature': signed(body, { by: stranger })['x-signature'] }
    expect(await post(ingest, body, forged)).toMatchObject({
      status: 401,
      body: { code: 'signature-invalid' },
    })
    expect(await post(ingest, body, headers)).toMatchObject({ status: 200 })
  })

  test.each([
    ['of another body', () => signed(bodyOf('signed')), 'signature-invalid'],
    [
      'of another path',
      (body: string) => signed(body, { version: 2, path: '/overlay/events/ingest' }),
      'signature-invalid',
    ],
    [
      'of six minutes ago',
      (body: string) => signed(body, { nonce: nonceAt(Date.now() - 360_000) }),
      'signature-expired',
    ],
    ['with a short nonce', (body: string) => signed(body, { nonce: '12345' }), 'signature-invalid'],
    ['left out', () => ({ 'x-identity-key': publisher.identityKey, 'x-nonce': '1' }), 'signature-missing'],
  ])('is refused with a signature %s', async (_, headersOf, code) => {
    const body = bodyOf('signed')
    const { status, body: problem } = await post(ingest, body, headersOf(body))
    expect([status, problem['code']]).toEqual([401, code])
    if (code === 'signature-invalid') expect(problem['bodySha256']).toBe(sha256Hex(utf8(body)))
  })

  test('cannot have its signature moved to another query', async () => {
    const body = bodyOf('signed')
    const moved = await post(`${ingest}?backfill=true`, body, signed(body))
    expect(moved).toMatchObject({
      status: 400,
      body: { detail: expect.stringContaining('version 1 does not cover') },
    })
    const path = '/ingest/events?backfill=true'
    const own = await post(bed.url + path, body, signed(body, { version: 2, path }))
    expect(own.status).toBe(200)
    const other = await post(`${ingest}?level=basic`, body, signed(body, { version: 2, path }))
    expect(other.status).toBe(401)
  })

  test('belongs to its key', async () => {
    const body = bodyOf('signed')
    expect(await post(ingest, body, signed(body, { by: stranger }))).toMatchObject({
      status: 403,
      body: { code: 'identity-mismatch' },
    })
  })

  test('is not there for others, where it is of a tenant', async () => {
    const body = bodyOf('of-a-tenant')
    const [others, none] = [
      await post(ingest, body, signed(body, { by: stranger })),
      await post(ingest, body.replace('of-a-tenant', 'not-a-tenant'), signed(body, { by: stranger })),
    ]
    expect([others.status, none.status]).toEqual([404, 404])
    expect(Object.keys(others.body)).toEqual(Object.keys(none.body))
  })
})

describe('a source that proves its identity (BRC-104)', () => {
  const send = async (by: typeof publisher, path: string, sourceId = 'proven') => {
    const response = await authFetchOf(by).fetch(bed.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: bodyOf(sourceId),
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }

  test.each(['/ingest/events', '/overlay/events/ingest'])(
    'is let in at %s by the stock client',
    async path => {
      expect((await send(publisher, path)).status).toBe(200)
      const { rows } = await bed.log.database.pool.query(
        "select 1 from segments where sources like '%identity%'",
      )
      expect(rows.length).toBeGreaterThan(0)
    },
  )

  test('is refused to another identity, and without one', async () => {
    expect(await send(stranger, '/ingest/events')).toMatchObject({
      status: 403,
      body: { code: 'identity-mismatch' },
    })
    expect(await post(ingest, bodyOf('proven'))).toMatchObject({
      status: 401,
      body: { code: 'signature-missing' },
    })
  })

  test('writes to open sources as anybody does', async () => {
    expect(await send(stranger, '/ingest/events', 'open')).toMatchObject({ status: 200 })
  })
})

describe('a node for proven identities', () => {
  test('takes nothing of sources that prove none', async () => {
    const strict = await bed.another({ settings: { identityRequired: true } })
    bed.putSource({ sourceId: 'no-key', authentication: 'legacy' })
    for (const sourceId of ['open', 'hooked', 'no-key'])
      expect(await post(`${strict.url}/ingest/events`, bodyOf(sourceId))).toMatchObject({
        status: 403,
        body: { code: 'identity-required' },
      })
  })
})

test('nothing of all this was a failure of ours', () => {
  expect(bed.failures).toEqual([])
})
