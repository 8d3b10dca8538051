import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { sha256Hex } from '#sha256'
import { identityHolder, nodeHolder } from '../../src/adapters/uhrp/holder.ts'
import { seatInOverlay } from '../../src/adapters/uhrp/may-upload.ts'
import { uhrpUrlOf } from '../../src/contract/uhrp-url.ts'
import { uhrpRoutes } from '../../src/http/uhrp-routes.ts'
import { party } from '../support/pipeline.ts'
import { testOnlyAuthentication, testOnlyIdentityHeader } from '../support/test-only-authentication.ts'
import { compareAnswers, routesOf } from './openapi-checks.ts'
import { readApiDocument } from './openapi-document.ts'
import type { Sent } from './raw-http.ts'
import { admittedJob, agents, type ServedUhrp, servedUhrp, uploadPath } from './served-uhrp.ts'

const operations = readApiDocument().operations.filter(({ tag }) => tag === 'storage')
const me = party('who uploads').identityKey
const DAY_MS = 86_400_000

/** Documented, and not to be had here: it takes a broken node, a full one, or more patience than a test has. */
const notHere = ['408', '500', '503', '507']

describe('docs/openapi.yaml, on content by its hash', () => {
  let served: ServedUhrp
  let examples: Readonly<Record<string, readonly Sent[]>>
  beforeAll(async () => {
    served = await servedUhrp({ uploaders: new Set([me]), limits: { directBytesMax: 100 } })
    examples = await examplesFor(served)
  })
  afterAll(async () => {
    await served.close()
    expect(served.failures).toEqual([])
  })

  test('lists its routes, and no other', () => {
    const { pool } = served.database
    const routes = uhrpRoutes({
      pool,
      store: served.store,
      mayUpload: seatInOverlay({ db: pool, coordinators: [], quotaBytes: 0, now: Date.now }),
      authentication: testOnlyAuthentication(),
      uploaders: 'any',
      quotaBytes: 0,
      publicUrl: () => '',
      now: Date.now,
      onFailure: () => undefined,
    })
    expect(routesOf(routes).sort()).toEqual(operations.map(({ method, path }) => `${method} ${path}`).sort())
  })

  test.each(operations.map(each => [`${each.method} ${each.path}`, each] as const))(
    'tells what %s answers',
    async (_, operation) => {
      const { undocumented, neverSeen } = await compareAnswers(
        operation,
        examples[operation.id] ?? [],
        sent => served.client.send(sent),
      )
      expect(undocumented).toEqual([])
      expect(neverSeen.filter(status => !notHere.includes(status))).toEqual([])
    },
  )
})

/** For each operation what brings about every answer, and some noise. */
async function examplesFor(served: ServedUhrp): Promise<Record<string, Sent[]>> {
  const as = (identityKey: string) => ({ [testOnlyIdentityHeader]: identityKey })
  const json = (path: string, value: unknown, identityKey = me): Sent => ({
    path,
    headers: as(identityKey),
    body: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
  })
  const put = async (text: string, retainMs: number, restricted: boolean) => {
    await served.store.put(Buffer.from(text), {
      holder: restricted ? nodeHolder(text) : identityHolder(me),
      audience: restricted ? 'restricted' : 'public',
      readers: restricted ? [me] : [],
      retainUntilMs: served.now() + retainMs,
      contentType: 'application/json',
    })
    return sha256Hex(text)
  }
  const open = await put('{"open":true}', DAY_MS, false)
  const over = await put('{"over":true}', -1, false)
  const secret = await put('{"secret":true}', DAY_MS, true)
  const secretOver = await put('{"secretOver":true}', -1, true)
  const long = await put(`"${'long'.repeat(100)}"`, DAY_MS, true)

  const urls: string[] = []
  for (let n = 0; n < 4; n++) {
    if (n === 3) served.pass(3_600_000)
    const { body } = await served.client.send(json('/upload', { fileSize: 4, retentionPeriod: 600 }))
    const { uploadURL } = z.object({ uploadURL: z.string() }).parse(JSON.parse(body.toString()))
    urls.push(uploadURL.slice(served.url.length))
  }
  const [stale = '', staleToo = '', , fresh = ''] = urls
  const another = async () => {
    const { body } = await served.client.send(json('/upload', { fileSize: 4, retentionPeriod: 600 }))
    const { uploadURL } = z.object({ uploadURL: z.string() }).parse(JSON.parse(body.toString()))
    return uploadURL.slice(served.url.length)
  }
  const file = Buffer.from('file')
  const txid = await admittedJob(served, { outputBytesMax: 10 })
  const [agent] = agents
  const output = (text: string, forged: Record<string, string> = {}, vout = 0): Sent => ({
    path: uploadPath(
      agent,
      { jobOutpoint: { txid, vout }, sha256: sha256Hex(text), length: text.length },
      forged,
    ),
    body: Buffer.from(text),
  })
  const wishes = (path: string) => [
    json(path, { fileSize: 4, retentionPeriod: 600 }),
    json(path, { fileSize: 1e12, retentionPeriod: 600 }),
    json(path, { fileSize: 4 }),
    json(path, '{'),
    json(path, ''),
    json(path, { fileSize: 4, retentionPeriod: 600, more: 1 }),
    json(path, ' '.repeat(5000)),
  ]
  const uhrpUrl = uhrpUrlOf(open)
  return {
    getObject: [
      { path: `/uhrp/${open}` },
      { path: `/uhrp/${open}`, headers: { range: 'bytes=0-3' } },
      { path: `/uhrp/${open}`, headers: { range: 'bytes=900-' } },
      { path: `/uhrp/${open}`, headers: { 'if-none-match': `"${open}"` } },
      { path: `/uhrp/${open}`, headers: as(me) },
      { path: `/uhrp/${over}` },
      { path: `/uhrp/${secret}` },
      { path: `/uhrp/${secret}`, headers: as(me) },
      { path: `/uhrp/${long}`, headers: as(me) },
      { path: `/uhrp/${open}`, headers: { ...as(''), 'content-length': '0' } },
      { path: `/uhrp/${open}?ticket=1&ticket=2` },
      { path: '/uhrp/%F0%9F%92%A5' },
    ],
    issueTicket: [
      { path: `/uhrp/${secret}/tickets`, headers: as(me) },
      { path: `/uhrp/${secret}/tickets` },
      { path: `/uhrp/nothing/tickets`, headers: as(me) },
      { path: `/uhrp/${secretOver}/tickets`, headers: as(me) },
      { path: `/uhrp/${secret}/tickets`, headers: as(me), body: Buffer.alloc(100_000) },
    ],
    uploadOutput: [
      output('output'),
      output('other'),
      output('elsewhere', {}, 1),
      output('output', { signature: 'ab' }),
      output('output', { sha256: 'ab' }),
      output('too long for this job', {}, 0),
      { ...output('output'), headers: { 'content-encoding': 'br' } },
    ],
    uploadObject: [
      { path: fresh, body: file },
      { path: fresh, body: file },
      { path: stale, body: file },
      { path: staleToo, body: file },
      { path: '/uhrp/uploads/nothing', body: file },
      { path: await another(), body: Buffer.from('filed') },
      { path: await another(), body: file, headers: { 'content-encoding': 'br' } },
    ],
    quote: [...wishes('/quote'), { path: '/quote', body: file, headers: { 'content-encoding': 'br' } }],
    askToUpload: [
      ...wishes('/upload'),
      json('/upload', { fileSize: 4, retentionPeriod: 600 }, ''),
      json('/upload', { fileSize: 4, retentionPeriod: 600 }, party('nobody').identityKey),
    ],
    findUpload: [
      { path: `/find?uhrpUrl=${uhrpUrl}`, headers: as(me) },
      { path: `/find?uhrpUrl=${uhrpUrlOf(secret)}`, headers: as(me) },
      { path: '/find', headers: as(me) },
      { path: `/find?uhrpUrl=${uhrpUrl}` },
    ],
    listUploads: [{ path: '/list', headers: as(me) }, { path: '/list' }],
    renewUpload: [
      json('/renew', { uhrpUrl, additionalMinutes: 5 }),
      json('/renew', { uhrpUrl, additionalMinutes: 1e9 }),
      json('/renew', { uhrpUrl: 'x', additionalMinutes: 5 }),
      json('/renew', '{'),
      json('/renew', { uhrpUrl: uhrpUrlOf(secret), additionalMinutes: 5 }),
      json('/renew', { uhrpUrl, additionalMinutes: 5 }, ''),
      json('/renew', { uhrpUrl, additionalMinutes: 5 }, party('nobody').identityKey),
      json('/renew', ' '.repeat(5000)),
    ],
  }
}
