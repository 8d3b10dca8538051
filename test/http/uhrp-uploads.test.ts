import { connect } from 'node:net'
import { PrivateKey, ProtoWallet, StorageUploader, StorageUtils } from '@bsv/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { sha256Hex } from '#sha256'
import { bytea, inTransaction } from '../../src/adapters/postgres/sql.ts'
import { UPLOAD_GRACE_MS } from '../../src/adapters/uhrp/may-upload.ts'
import { uhrpUrlOf } from '../../src/contract/uhrp-url.ts'
import type { Upload } from '../../src/contract/work.ts'
import { httpLimits } from '../../src/http/server.ts'
import { uhrpLimits } from '../../src/http/uhrp-limits.ts'
import { type Party, party } from '../support/pipeline.ts'
import { testOnlyIdentityHeader } from '../support/test-only-authentication.ts'
import { until } from '../support/until.ts'
import { exchange, type HttpAnswer } from './raw-http.ts'
import {
  admittedJob,
  agents,
  COORDINATOR_QUOTA_BYTES,
  coordinator,
  type ServedUhrp,
  servedUhrp,
  uploadPath,
} from './served-uhrp.ts'

const MINUTE_MS = 60_000
const OBJECT_BYTES_MAX = 2_000_000

let served: ServedUhrp
beforeAll(async () => {
  served = await servedUhrp({
    quotaBytes: 1_000_000,
    limits: { objectBytesMax: OBJECT_BYTES_MAX, silenceMsMax: 500 },
  })
})
afterAll(async () => {
  await served.close()
  expect(served.failures).toEqual([])
})

const put = (path: string, body: Uint8Array | readonly Uint8Array[], headers: Record<string, string> = {}) =>
  served.client.send({ method: 'PUT', path, body, headers })
const answerOf = ({ status, body }: HttpAnswer) => {
  const read = z.object({ code: z.string().optional() }).parse(JSON.parse(body.toString()))
  return read.code === undefined ? status : [status, read.code]
}
const isStored = async (bytes: Uint8Array) =>
  (await served.store.open(sha256Hex(bytes), 'node')).kind === 'open'
/** Nothing but what rows name, and all of it whole. */
const leavesNothing = async () => {
  const { rows } = await served.database.pool.query<{ sha256: string }>(
    `select encode(sha256, 'hex') as sha256 from uhrp_objects where state = 'held' order by sha256`,
  )
  const files = await served.files()
  expect(files.map(each => each.path.slice(-64)).sort()).toEqual(rows.map(each => each.sha256))
  expect(files.every(each => each.isWhole)).toBe(true)
}

describe("an agent's output", () => {
  const [agent, other] = agents
  const bytes = Buffer.from('an output of the normalize stage\n')
  let txid: string
  beforeAll(async () => {
    txid = await admittedJob(served, { outputBytesMax: 1000 })
  })
  const announced = (of: Uint8Array, vout = 0): Upload => ({
    jobOutpoint: { txid, vout },
    sha256: sha256Hex(of),
    length: of.length,
  })
  const readAs = async (who?: Party) =>
    (
      await served.client.send({
        method: 'GET',
        path: `/uhrp/${sha256Hex(bytes)}`,
        ...(who && { headers: { [testOnlyIdentityHeader]: who.identityKey } }),
      })
    ).status

  test('is stored for its seat, and readable by its coordinator alone', async () => {
    const answer = await put(uploadPath(agent, announced(bytes)), bytes)
    expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([
      200,
      {
        status: 'success',
        sha256: sha256Hex(bytes),
        length: bytes.length,
        uhrpUrl: uhrpUrlOf(sha256Hex(bytes)),
      },
    ])
    expect(await readAs(coordinator)).toBe(200)
    for (const nobody of [undefined, agent, other]) expect(await readAs(nobody)).toBe(404)
  })

  test('may be sent again, and no other one for the same seat', async () => {
    expect(answerOf(await put(uploadPath(agent, announced(bytes)), bytes))).toBe(200)
    const second = Buffer.from('a change of mind')
    expect(answerOf(await put(uploadPath(agent, announced(second)), second))).toEqual([
      409,
      'ERR_UHRP_CONFLICT',
    ])
    expect(await isStored(second)).toBe(false)
    // Refused before anything of it was written.
    await leavesNothing()
  })

  test('may be the same as that of another seat', async () => {
    expect(answerOf(await put(uploadPath(other, announced(bytes, 1)), bytes))).toBe(200)
    await leavesNothing()
  })

  const fresh = Buffer.from('never stored')
  const path = (forged: Record<string, string> = {}, vout = 2, by: Party = agents[2]) =>
    uploadPath(by, announced(fresh, vout), forged)
  const chunked = (...pieces: string[]) => pieces.map(each => Buffer.from(each))
  test.each<[string, () => Promise<HttpAnswer>, unknown]>([
    ['other bytes', () => put(path(), Buffer.from('never STORED')), [400, 'ERR_UHRP_CONTENT']],
    ['a shorter body', () => put(path(), chunked('never')), [400, 'ERR_UHRP_CONTENT']],
    ['a longer body', () => put(path(), chunked('never stored', ' at all')), [400, 'ERR_UHRP_CONTENT']],
    ['another length', () => put(path(), Buffer.from('never stored at all')), [400, 'ERR_UHRP_CONTENT']],
    ['a forged hash', () => put(path({ sha256: sha256Hex('x') }), fresh), [401, 'ERR_AUTH_UNAUTHORIZED']],
    ['a forged length', () => put(path({ length: '13' }), fresh), [401, 'ERR_AUTH_UNAUTHORIZED']],
    [
      'a forged outpoint',
      () => put(path({ jobOutpoint: `${txid}.1` }), fresh),
      [401, 'ERR_AUTH_UNAUTHORIZED'],
    ],
    [
      'a forged agent',
      () => put(path({ agentKey: other.identityKey }), fresh),
      [401, 'ERR_AUTH_UNAUTHORIZED'],
    ],
    ['no key', () => put(path({ agentKey: `02${'ff'.repeat(32)}` }), fresh), [401, 'ERR_AUTH_UNAUTHORIZED']],
    ['no signature', () => put(path({ signature: '00' }), fresh), [401, 'ERR_AUTH_UNAUTHORIZED']],
    ["another's seat", () => put(path({}, 0), fresh), [403, 'ERR_AUTH_FORBIDDEN']],
    ['the thread', () => put(path({}, 3, coordinator), fresh), [403, 'ERR_AUTH_FORBIDDEN']],
    ['an output that is not there', () => put(path({}, 9), fresh), [403, 'ERR_AUTH_FORBIDDEN']],
    ['a length of its own spelling', () => put(path({ length: '012' }), fresh), [400, 'ERR_REQUEST_INVALID']],
    ['members that are not asked for', () => put(path({ more: '1' }), fresh), [400, 'ERR_REQUEST_INVALID']],
    ['nothing announced', () => put('/uhrp/uploads', fresh), [400, 'ERR_REQUEST_INVALID']],
    ['compression', () => put(path(), fresh, { 'content-encoding': 'gzip' }), [415, 'ERR_CONTENT_TYPE']],
  ])('is refused with %s', async (_, send, expected) => {
    expect(answerOf(await send())).toEqual(expected)
    expect(await isStored(fresh)).toBe(false)
    await leavesNothing()
  })

  test('is refused beyond what its job allows, and without a job', async () => {
    const long = Buffer.alloc(1001)
    expect(answerOf(await put(uploadPath(agents[2], announced(long, 2)), long))).toEqual([
      413,
      'ERR_REQUEST_TOO_LARGE',
    ])
    const unadmitted = { ...announced(fresh, 0), jobOutpoint: { txid: '', vout: 0 } }
    unadmitted.jobOutpoint.txid = await admittedJob(served, { admitted: false })
    expect(answerOf(await put(uploadPath(agent, unadmitted), fresh))).toEqual([403, 'ERR_AUTH_FORBIDDEN'])
  })

  test('is stored for coordinators alone that are listed, or whose round is at this node', async () => {
    const stranger = party('a coordinator that makes jobs for its own agents')
    const upload = {
      ...announced(fresh),
      jobOutpoint: { txid: await admittedJob(served, { by: stranger }), vout: 0 },
    }
    expect(answerOf(await put(uploadPath(agent, upload), fresh))).toEqual([403, 'ERR_AUTH_FORBIDDEN'])
    await inTransaction(served.database.pool, async db => {
      await db.query('set local session_replication_role = replica')
      await db.query(
        `insert into round_seats (job_tx, vout, stage, agent_key, operator, endpoints, satoshis, next_run_ms, made_ms)
          values ($1, 0, 'normalize', $2, $2, '{}', 1, 0, 0)`,
        [bytea(upload.jobOutpoint.txid), bytea(agent.identityKey)],
      )
    })
    expect(answerOf(await put(uploadPath(agent, upload), fresh))).toBe(200)
  })

  test('that stops coming is given up, and nothing of it stays', async () => {
    const head = `PUT ${path()} HTTP/1.1\r\nHost: x\r\nContent-Length: ${fresh.length}\r\n\r\n`
    const answers = await exchange(served.port, socket => socket.write(`${head}never`))
    expect(answers.map(answerOf)).toEqual([[408, 'ERR_REQUEST_TIMEOUT']])
    const leaving = connect(served.port, '127.0.0.1')
    leaving.write(`${head}never`)
    const arriving = async () => (await served.store.folder.leftovers('incoming')).length > 0
    await until(arriving)
    leaving.destroy()
    await until(async () => !(await arriving()))
    await leavesNothing()
    expect(answerOf(await put(path(), fresh))).toBe(200)
  })

  test('is stored up to the quota of its coordinator, and not for a job that is long over', async () => {
    const mebibyte = (fill: number) => Buffer.alloc(1024 * 1024, fill)
    const statuses = []
    for (let i = 0; i <= COORDINATOR_QUOTA_BYTES / mebibyte(0).length; i++) {
      const jobOutpoint = { txid: await admittedJob(served), vout: 0 }
      const upload = { ...announced(mebibyte(i)), jobOutpoint }
      statuses.push(answerOf(await put(uploadPath(agent, upload), mebibyte(i))))
    }
    expect(statuses.slice(0, 3)).toEqual([200, 200, 200])
    expect(statuses.at(-1)).toEqual([413, 'ERR_REQUEST_TOO_LARGE'])

    const upload = { ...announced(fresh), jobOutpoint: { txid: await admittedJob(served), vout: 0 } }
    served.pass(UPLOAD_GRACE_MS + 2 * MINUTE_MS)
    expect(answerOf(await put(uploadPath(agent, upload), fresh))).toEqual([403, 'ERR_AUTH_FORBIDDEN'])
  })
})

describe('the stock StorageUploader', () => {
  const me = new PrivateKey(7)
  const uploader = () => {
    const made = new StorageUploader({ storageURL: served.url, wallet: new ProtoWallet(me) as never })
    // In place of BRC-103/104, which is tested where it is implemented.
    Object.assign(made, {
      authFetch: {
        fetch: (url: string, { headers, ...rest }: { headers?: Record<string, string> } = {}) =>
          fetch(url, {
            ...rest,
            headers: { ...headers, [testOnlyIdentityHeader]: me.toPublicKey().toString() },
          }),
      },
    })
    return made
  }
  const data = new Uint8Array(Buffer.from(JSON.stringify({ event: 'push', filler: 'z'.repeat(300_000) })))
  const uhrpURL = StorageUtils.getURLForFile(data)

  test('publishes a file that anybody can get', async () => {
    const published = await uploader().publishFile({
      file: { data, type: 'application/json' },
      retentionPeriod: 60,
    })
    expect(published).toEqual({ published: true, uhrpURL, hostedBy: [served.url] })
    const response = await fetch(`${served.url}/uhrp/${uhrpURL}`)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(Buffer.from(await response.arrayBuffer()).equals(data)).toBe(true)
  })

  test('finds, lists and renews it', async () => {
    const found = await uploader().findFile(`uhrp://${uhrpURL}`)
    expect(found).toMatchObject({ size: String(data.length), mimeType: 'application/json' })
    expect(await uploader().listUploads()).toEqual([{ uhrpUrl: uhrpURL, expiryTime: found.expiryTime }])
    expect(await uploader().renewFile(uhrpURL, 10)).toEqual({
      status: 'success',
      prevExpiryTime: found.expiryTime,
      newExpiryTime: found.expiryTime + 600,
      amount: 0,
    })
    const other = StorageUtils.getURLForFile(Uint8Array.of(1))
    await expect(uploader().findFile(other)).rejects.toThrow('HTTP 404')
    await expect(uploader().renewFile(other, 10)).rejects.toThrow('HTTP 404')
  })

  test('has it advertised until it expires, and its renewal too', async () => {
    const { rows } = await served.database.pool.query(
      `select a.state, a.expires_ms = r.retain_until_ms as fits from uhrp_own_adverts a join uhrp_retentions r using (sha256)
        where encode(sha256, 'hex') = $1`,
      [sha256Hex(data)],
    )
    expect(rows).toEqual([{ state: 'wanted', fits: true }])
  })

  test('has room for as much as its quota', async () => {
    const file = (fill: number) => ({ data: new Uint8Array(400_000).fill(fill), type: 'text/plain' })
    await uploader().publishFile({ file: file(1), retentionPeriod: 1 })
    await expect(uploader().publishFile({ file: file(2), retentionPeriod: 1 })).rejects.toThrow('HTTP 413')
    served.pass(2 * MINUTE_MS)
    await uploader().publishFile({ file: file(3), retentionPeriod: 1 })
  })
})

describe('a slow upload', () => {
  test('has the time that the largest object takes at the least speed', () => {
    const longestMs = (1000 * uhrpLimits.objectBytesMax) / uhrpLimits.uploadBytesPerSecondMin
    expect(httpLimits.requestMsMax).toBeGreaterThan(longestMs + uhrpLimits.silenceMsMax)
  })

  test('is given up where it is slower, however steadily it comes', async () => {
    const quick = await servedUhrp({ limits: { silenceMsMax: 300, uploadBytesPerSecondMin: 1_000_000 } })
    const txid = await admittedJob(quick)
    const bytes = Buffer.alloc(1000, 'slow')
    const upload = { jobOutpoint: { txid, vout: 0 }, sha256: sha256Hex(bytes), length: bytes.length }
    const answers = await exchange(quick.port, socket => {
      socket.write(
        `PUT ${uploadPath(agents[0], upload)} HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes.length}\r\n\r\n`,
      )
      const dripping = setInterval(() => socket.write('s'), 20)
      socket.once('close', () => clearInterval(dripping))
    })
    expect(answers.map(answerOf)).toEqual([[408, 'ERR_REQUEST_TIMEOUT']])
    expect(await quick.store.folder.leftovers('incoming')).toEqual([])
    await quick.close()
  })
})

describe('an upload URL', () => {
  const someone = party('someone').identityKey
  const ask = (path: string, body: unknown, identityKey: string | undefined = someone) =>
    served.client.send({
      path,
      headers: { ...(identityKey && { [testOnlyIdentityHeader]: identityKey }) },
      body: Buffer.from(JSON.stringify(body)),
    })
  const urlFor = async (fileSize: number, retentionPeriod = 60) => {
    const { status, body } = await ask('/upload', { fileSize, retentionPeriod })
    expect(status).toBe(200)
    const { uploadURL } = z.object({ uploadURL: z.string() }).parse(JSON.parse(body.toString()))
    return uploadURL.slice(served.url.length)
  }
  const bytes = Buffer.from('<html>said to be a picture</html>')

  test('is good for one upload of so many bytes', async () => {
    const path = await urlFor(bytes.length)
    expect(answerOf(await put(path, bytes, { 'content-type': 'image/png' }))).toBe(200)
    expect(answerOf(await put(path, bytes))).toEqual([409, 'ERR_UHRP_CONFLICT'])
    expect(answerOf(await put(await urlFor(5), bytes))).toEqual([400, 'ERR_UHRP_CONTENT'])
    expect(answerOf(await put(await urlFor(500), [bytes]))).toEqual([400, 'ERR_UHRP_CONTENT'])
    await leavesNothing()
  })

  test('takes a type that is spelled like none for bytes', async () => {
    const odd = Buffer.from('odd')
    await put(await urlFor(odd.length), odd, { 'content-type': 'text/html;;<script>' })
    const { headers } = await served.client.send({ method: 'GET', path: `/uhrp/${sha256Hex(odd)}` })
    expect(headers['content-type']).toBe('application/octet-stream')
  })

  test('takes its room of the quota while it is used, and gives it back where nothing comes of it', async () => {
    const one = party('one who uploads a lot at once').identityKey
    const wish = { fileSize: 700_000, retentionPeriod: 60 }
    const read = z.object({ uploadURL: z.string() })
    const { uploadURL } = read.parse(JSON.parse((await ask('/upload', wish, one)).body.toString()))
    const uploading = connect(served.port, '127.0.0.1')
    uploading.write(
      `PUT ${new URL(uploadURL).pathname} HTTP/1.1\r\nHost: x\r\nContent-Length: 700000\r\n\r\nfirst`,
    )
    const arriving = async () => (await served.store.folder.leftovers('incoming')).length > 0
    await until(arriving)
    expect((await ask('/upload', wish, one)).status).toBe(413)
    uploading.destroy()
    await until(async () => (await ask('/upload', wish, one)).status === 200)
    await leavesNothing()
  })

  test('expires, and cannot be guessed', async () => {
    const path = await urlFor(bytes.length)
    served.pass(16 * MINUTE_MS)
    expect(answerOf(await put(path, bytes))).toEqual([410, 'ERR_UHRP_EXPIRED'])
    expect(answerOf(await put(`/uhrp/uploads/${'0'.repeat(64)}`, bytes))).toEqual([404, 'ERR_NOT_FOUND'])
    expect(answerOf(await put('/uhrp/uploads/x', bytes))).toEqual([404, 'ERR_NOT_FOUND'])
  })

  test('is not given to whoever has not proven who they are, nor for more than is allowed', async () => {
    const wish = { fileSize: 10, retentionPeriod: 60 }
    expect(answerOf(await ask('/upload', wish, ''))).toEqual([401, 'ERR_AUTH_UNAUTHORIZED'])
    const asked = async (more: object) => [
      answerOf(await ask('/upload', { ...wish, ...more })),
      answerOf(await ask('/quote', { ...wish, ...more })),
    ]
    const refused = (status: number, code: string) => [
      [status, code],
      [status, code],
    ]
    expect(await asked({ fileSize: OBJECT_BYTES_MAX + 1 })).toEqual(refused(413, 'ERR_REQUEST_TOO_LARGE'))
    expect(await asked({ fileSize: -1 })).toEqual(refused(400, 'ERR_REQUEST_INVALID'))
    expect(await asked({ retentionPeriod: 0 })).toEqual(refused(400, 'ERR_REQUEST_INVALID'))
    expect(await asked({ retentionPeriod: 1e9 })).toEqual(refused(400, 'ERR_REQUEST_INVALID'))
    expect(await asked({ retentionPeriod: '60' })).toEqual(refused(400, 'ERR_REQUEST_INVALID'))
  })

  test('is given to those alone whom the operator lists', async () => {
    const strict = await servedUhrp({ uploaders: new Set([someone]) })
    const status = async (path: string, identityKey: string, body: object) =>
      (
        await strict.client.send({
          path,
          headers: { [testOnlyIdentityHeader]: identityKey },
          body: Buffer.from(JSON.stringify(body)),
        })
      ).status
    const stranger = party('stranger').identityKey
    const wish = { fileSize: 10, retentionPeriod: 60 }
    expect(await status('/upload', someone, wish)).toBe(200)
    expect(await status('/upload', stranger, wish)).toBe(403)
    expect(
      await status('/renew', stranger, { uhrpUrl: uhrpUrlOf('00'.repeat(32)), additionalMinutes: 1 }),
    ).toBe(403)
    await strict.close()
  })

  test('is given so many times at once', async () => {
    const few = await servedUhrp({ urlBounds: { urlsMax: 2 } })
    const ask = async () =>
      (
        await few.client.send({
          path: '/upload',
          headers: { [testOnlyIdentityHeader]: someone },
          body: Buffer.from('{"fileSize":1,"retentionPeriod":1}'),
        })
      ).status
    expect(await Promise.all([ask(), ask(), ask()]).then(all => all.sort())).toEqual([200, 200, 413])
    await few.close()
  })
})
