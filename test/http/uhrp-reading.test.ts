import { truncate, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { sha256Hex } from '#sha256'
import { identityHolder, nodeHolder } from '../../src/adapters/uhrp/holder.ts'
import { uhrpUrlOf } from '../../src/contract/uhrp-url.ts'
import { party } from '../support/pipeline.ts'
import { testOnlyIdentityHeader } from '../support/test-only-authentication.ts'
import { until } from '../support/until.ts'
import { HttpClient } from './raw-http.ts'
import { type ServedUhrp, servedUhrp } from './served-uhrp.ts'

const content = Buffer.from('0123456789abcdefghij')
const sha256 = sha256Hex(content)
const etag = `"${sha256}"`
const DAY_MS = 86_400_000

let served: ServedUhrp
beforeAll(async () => {
  served = await servedUhrp({ limits: { directBytesMax: 1000 } })
  await store(content)
})
afterAll(async () => {
  await served.close()
  expect(served.failures).toEqual([])
})

const store = (bytes: Uint8Array, more: { contentType?: string; readers?: string[]; holder?: string } = {}) =>
  served.store.put(bytes, {
    holder: nodeHolder(more.holder ?? 'test'),
    audience: more.readers === undefined ? 'public' : 'restricted',
    retainUntilMs: served.now() + DAY_MS,
    ...(more.readers && { readers: more.readers }),
    ...(more.contentType && { contentType: more.contentType }),
  })
const get = (path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET') =>
  served.client.send({ method, path, headers })
const codeOf = (body: Buffer) => z.object({ code: z.string() }).parse(JSON.parse(body.toString())).code

describe('an object', () => {
  test.each([
    ['its hash', sha256],
    ['its UHRP URL', uhrpUrlOf(sha256)],
    ['the URL behind uhrp:', `uhrp:${uhrpUrlOf(sha256)}`],
    ['the URL behind uhrp://', encodeURIComponent(`uhrp://${uhrpUrlOf(sha256)}`)],
  ])('is served under %s, for good', async (_, name) => {
    const { status, headers, body } = await get(`/uhrp/${name}`)
    expect([status, body.toString()]).toEqual([200, content.toString()])
    expect(headers).toMatchObject({
      etag,
      'accept-ranges': 'bytes',
      'cache-control': 'public, max-age=31536000, immutable',
      'content-length': '20',
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'",
    })
  })

  const part = (from: number, to: number) => [
    206,
    content.toString().slice(from, to + 1),
    `bytes ${from}-${to}/20`,
  ]
  const whole = [200, content.toString(), undefined]
  const none = [416, 'ERR_UHRP_RANGE', 'bytes */20']
  const unchanged = [304, '', undefined]
  test.each<[Record<string, string>, (string | number | undefined)[]]>([
    [{ range: 'bytes=0-0' }, part(0, 0)],
    [{ range: 'bytes=5-9' }, part(5, 9)],
    [{ range: 'bytes=5-' }, part(5, 19)],
    [{ range: 'bytes=-5' }, part(15, 19)],
    [{ range: 'bytes=-20' }, part(0, 19)],
    [{ range: 'bytes=-500' }, whole],
    [{ range: 'bytes=15-500' }, part(15, 19)],
    [{ range: 'bytes=20-' }, none],
    [{ range: 'bytes=-0' }, none],
    [{ range: 'bytes=9-5' }, none],
    [{ range: 'bytes=0-1,5-6' }, whole],
    [{ range: 'bytes=0-4,5-9' }, part(0, 9)],
    [{ range: 'lines=0-1' }, whole],
    [{ range: 'bytes' }, whole],
    [{ range: 'bytes=5-9', 'if-range': etag }, part(5, 9)],
    [{ range: 'bytes=5-9', 'if-range': `W/${etag}` }, whole],
    [{ range: 'bytes=5-9', 'if-range': '"other"' }, whole],
    [{ range: 'bytes=5-9', 'if-range': 'Wed, 21 Oct 2099 07:28:00 GMT' }, whole],
    [{ 'if-none-match': etag }, unchanged],
    [{ 'if-none-match': `W/${etag}` }, unchanged],
    [{ 'if-none-match': `"a", ${etag}` }, unchanged],
    [{ 'if-none-match': '*' }, unchanged],
    [{ 'if-none-match': '"other"' }, whole],
    [{ 'if-none-match': etag, range: 'bytes=5-9' }, unchanged],
    [{ 'if-none-match': '"other"', range: 'bytes=5-9' }, part(5, 9)],
  ])('answers to %j', async (headers, [status, body, range]) => {
    const answer = await get(`/uhrp/${sha256}`, headers)
    const text = answer.status === 416 ? codeOf(answer.body) : answer.body.toString()
    expect([answer.status, text, answer.headers['content-range']]).toEqual([status, body, range])
    const head = await get(`/uhrp/${sha256}`, headers, 'HEAD')
    expect([head.status, head.body.length]).toEqual([status === 304 ? 304 : 200, 0])
    if (status === 200) expect(head.headers['content-length']).toBe('20')
  })

  test('that is empty has no ranges', async () => {
    await store(new Uint8Array())
    const empty = sha256Hex('')
    expect((await get(`/uhrp/${empty}`)).headers['content-length']).toBe('0')
    expect((await get(`/uhrp/${empty}`, { range: 'bytes=0-' })).status).toBe(416)
  })

  test.each([
    ['text/html', 'attachment'],
    ['image/svg+xml', 'attachment'],
    ['application/xhtml+xml; charset=utf-8', 'attachment'],
    ['application/pdf', 'attachment'],
    ['text/javascript', 'attachment'],
    ['image/png', 'inline'],
    ['application/json', 'inline'],
    ['text/plain; charset=utf-8', 'inline'],
  ])('of type %s is shown as %s', async (contentType, disposition) => {
    const bytes = Buffer.from(`<script>alert("${contentType}")</script>`)
    await store(bytes, { contentType })
    const { headers } = await get(`/uhrp/${sha256Hex(bytes)}`)
    expect(headers['content-disposition']).toBe(disposition)
    expect(headers['content-type']).toBe(contentType)
  })

  test('has the type that it was first stored with, whoever stores it again', async () => {
    const bytes = Buffer.from('harmless')
    await store(bytes, { contentType: 'text/plain' })
    served.pass(1)
    await store(bytes, { contentType: 'text/html', holder: 'later' })
    expect((await get(`/uhrp/${sha256Hex(bytes)}`)).headers['content-type']).toBe('text/plain')
  })

  test.each([
    ['0'.repeat(64)],
    [sha256.toUpperCase()],
    ['XUT'],
    ['uploads'],
    ['..%2f..%2fetc%2fpasswd'],
    ['%00'],
    ['x'.repeat(3000)],
  ])('that is not there is not found: %s', async name => {
    const { status, body, headers } = await get(`/uhrp/${name}`)
    expect([status, codeOf(body)]).toEqual([404, 'ERR_NOT_FOUND'])
    expect(headers['cache-control']).toBeUndefined()
  })

  test('whose time is over is gone', async () => {
    const bytes = Buffer.from('short-lived')
    await served.store.put(bytes, {
      holder: nodeHolder('test'),
      audience: 'public',
      retainUntilMs: served.now(),
    })
    const { status, body } = await get(`/uhrp/${sha256Hex(bytes)}`)
    expect([status, codeOf(body)]).toEqual([410, 'ERR_UHRP_EXPIRED'])
  })

  test('whose file has another length or other bytes is refused at once, and served again once it is stored again', async () => {
    const bytes = Buffer.from('whole and sound')
    const path = `/uhrp/${sha256Hex(bytes)}`
    const at = served.store.folder.pathOf(sha256Hex(bytes))
    await store(bytes)
    await truncate(at, 3)
    expect((await get(path)).status).toBe(404)
    await store(bytes)
    await writeFile(at, 'whole and wrong')
    served.troubles.length = 0
    const { status, headers } = await get(path)
    expect([status, headers['etag'], headers['cache-control']]).toEqual([404, undefined, undefined])
    expect(served.troubles).toEqual([`corrupt ${sha256Hex(bytes)}`])
    await store(bytes)
    expect((await get(path)).body.toString()).toBe('whole and sound')
  })
})

describe('a long object whose bytes are others', () => {
  test('is cut off before its end, and not there any more', async () => {
    const bytes = Buffer.alloc(2_000_000, 'long and sound ')
    const name = sha256Hex(bytes)
    const path = `/uhrp/${name}`
    await store(bytes)
    bytes[1_999_999] = 0
    await writeFile(served.store.folder.pathOf(name), bytes)
    await expect(get(path)).rejects.toThrow()
    expect((await get(path)).status).toBe(404)
  })
})

describe('what is restricted', () => {
  const reader = party('a reader').identityKey
  const stranger = party('a stranger').identityKey
  const secret = Buffer.from('for a few')
  const long = Buffer.alloc(5000, 'long ')
  const name = sha256Hex(secret)
  const as = (identityKey: string) => ({ [testOnlyIdentityHeader]: identityKey })
  beforeAll(async () => {
    await store(secret, { readers: [reader] })
    await store(long, { readers: [reader] })
  })
  const ticket = async (of: string, identityKey: string) => {
    const { status, body } = await served.client.send({
      path: `/uhrp/${of}/tickets`,
      headers: as(identityKey),
    })
    if (status !== 200) return { status, path: '' }
    const { url } = z.object({ url: z.string(), expiresMs: z.int() }).parse(JSON.parse(body.toString()))
    return { status, path: url.slice(served.url.length) }
  }

  test('is for those it was shared with; to all others it looks like what is not there', async () => {
    const nothing = await get(`/uhrp/${'0'.repeat(64)}`)
    const answers = [
      await get(`/uhrp/${name}`),
      await get(`/uhrp/${name}`, as(stranger)),
      await get(`/uhrp/${name}?ticket=${'0'.repeat(64)}`),
      await get(`/uhrp/${name}`, { range: 'bytes=0-1', 'if-none-match': `"${name}"` }),
    ]
    const shape = ({ status, headers: { date: _, ...headers }, body }: typeof nothing) => ({
      status,
      headers,
      body: body.toString(),
    })
    for (const answer of answers) expect(shape(answer)).toEqual(shape(nothing))
    expect((await ticket(name, stranger)).status).toBe(404)
    const { status, headers, body } = await get(`/uhrp/${name}`, as(reader))
    expect([status, body.toString(), headers['cache-control']]).toEqual([
      200,
      'for a few',
      'private, no-store',
    ])
  })

  test('and long is had for a ticket, once', async () => {
    const of = sha256Hex(long)
    expect((await get(`/uhrp/${of}`, as(reader))).status).toBe(413)
    const { path } = await ticket(of, reader)
    expect((await get(path, {}, 'HEAD')).status).toBe(404)
    const answer = await get(path, { range: 'bytes=5-8' })
    expect([answer.status, answer.body.toString()]).toEqual([206, 'long'])
    expect((await get(path)).status).toBe(404)
  })

  test('is not had for the ticket of something else, or an old one, or one whose reader lost the right', async () => {
    const { path } = await ticket(name, reader)
    expect((await get(path.replace(name, sha256Hex(long)))).status).toBe(404)
    const old = await ticket(name, reader)
    served.pass(120_000)
    expect((await get(old.path)).status).toBe(404)
    const barred = await ticket(name, reader)
    await served.database.pool.query(`update uhrp_retentions set readers = '{}' where sha256 = $1`, [
      Buffer.from(name, 'hex'),
    ])
    expect((await get(barred.path)).status).toBe(404)
    await store(secret, { readers: [reader] })
  })

  test('has so many tickets out at a time', async () => {
    const few = await servedUhrp({ tickets: { ticketsMax: 2 } })
    await few.store.put(secret, {
      holder: identityHolder(reader),
      audience: 'restricted',
      readers: [reader],
      retainUntilMs: few.now() + DAY_MS,
    })
    const ask = async () =>
      (await few.client.send({ path: `/uhrp/${name}/tickets`, headers: as(reader) })).status
    expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 503])
    few.pass(120_000)
    expect(await ask()).toBe(200)
    await few.close()
  })
})

describe('readers', () => {
  test('that take nothing are cut off, and their places are free again', async () => {
    const narrow = await servedUhrp({ limits: { readsAtOnceMax: 1, silenceMsMax: 300 } })
    // More than sockets hold on both sides.
    const long = Buffer.alloc(64 * 1024 * 1024)
    const path = `/uhrp/${sha256Hex(long)}`
    await narrow.store.put(long, {
      holder: nodeHolder('test'),
      audience: 'public',
      retainUntilMs: narrow.now() + DAY_MS,
    })
    const lazy = connect(narrow.port, '127.0.0.1')
    lazy.on('error', () => undefined).write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
    await new Promise(resolve => lazy.once('data', () => resolve(lazy.pause())))
    const other = new HttpClient(narrow.port)
    const ask = async () =>
      (await other.send({ method: 'GET', path, headers: { range: 'bytes=0-9' } })).status
    expect(await ask()).toBe(503)
    await until(async () => (await ask()) === 206)
    lazy.destroy()
    other.close()
    expect(narrow.failures).toEqual([])
    await narrow.close()
  })
})
