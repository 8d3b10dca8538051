import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { writeBeef } from '../../src/contract/beef.ts'
import { signTransaction } from '../../src/contract/spend.ts'
import { readSubmittedBeef } from '../../src/contract/submitted-beef.ts'
import { overlayErrorCodes } from '../../src/http/overlay-error.ts'
import { overlayRouteLimits } from '../../src/http/overlay-routes.ts'
import { party, payTo } from '../support/pipeline.ts'
import { type ChildNode, childNode } from './child-node.ts'
import { faucetBeef, goodClient, submitHeaders, validSubmission } from './good-client.ts'
import {
  chainOf,
  coinOf,
  cyclic,
  deepAndBroken,
  deepAndSound,
  type Hostile,
  type Material,
  malformed,
  truncated,
} from './hostile-beef.ts'
import { exchange, type HttpAnswer, HttpClient, type Sent } from './raw-http.ts'

const EACH = 200
/** Of the process, after several hundred megabytes: what the allocator keeps for the next ones. */
const MEMORY_MARGIN = 256 * 1024 * 1024
const MIB = 1024 * 1024

const errorShape = z.strictObject({
  status: z.literal('error'),
  isError: z.literal(true),
  code: z.enum(overlayErrorCodes),
  // A sentence that says something: words, and a few of them.
  message: z.string().regex(/^\S+( \S+){3,}$/s),
  description: z.string(),
})

describe('a node that is sent whatever comes to mind', () => {
  const owner = party('somebody careful')
  let node: ChildNode
  let client: HttpClient
  let material: Material
  let good: ReturnType<typeof goodClient>
  let memoryBefore: number
  let silent: Promise<string[]>

  beforeAll(async () => {
    // There are no agents here, and it is not to be told of that.
    node = await childNode({ BRC22_JOB_ORCHESTRATION_ENABLED: 'false' })
    client = new HttpClient(node.port)
    const forChain = await faucetBeef(node.url, owner, 2, 1_000_000)
    const chain = chainOf(forChain.subject, 0, owner, 4000)
    const { bytes } = validSubmission(owner, forChain.transactions, 1, '{"n":0}\n')
    material = { valid: bytes, funding: forChain.transactions, chain, owner }
    const forGood = await faucetBeef(node.url, owner, 500)
    good = goodClient(node.port, owner, forGood.transactions)
    await storm(deepAndSound(material), () => true, 8)
    memoryBefore = await memory()
    silent = keepSilent()
  }, 60_000)
  afterAll(async () => {
    await good.stop()
    client.close()
    await node.end()
  })

  async function memory(): Promise<number> {
    return (await node.metrics()).get('assay_process_resident_memory_bytes') ?? Number.NaN
  }

  const submit = (bytes: Uint8Array): Sent => ({ path: '/submit', headers: submitHeaders, body: bytes })

  /** Sends all of these, several at once, and expects the right answer to each. */
  async function storm<T extends { what: string }>(
    kind: fc.Arbitrary<T>,
    isRight: (answer: HttpAnswer, sent: T) => boolean,
    count = EACH,
    sentAs: (each: T) => Sent = each => submit((each as unknown as Hostile).bytes),
  ): Promise<void> {
    const all = fc.sample(kind, count).values()
    const wrong: string[] = []
    const sendRest = async () => {
      for (const each of all) {
        const answer = await client.send(sentAs(each))
        const why = isRight(answer, each) ? against(answer) : 'another answer than the documented one'
        if (why !== undefined)
          wrong.push(`${each.what}: ${why}: ${answer.status} ${answer.body.toString('utf8', 0, 300)}`)
      }
    }
    await Promise.all(Array.from({ length: 12 }, sendRest))
    expect(wrong).toEqual([])
  }

  /** What is wrong with an answer, whatever it answers. */
  function against({ status, headers, body }: HttpAnswer): string | undefined {
    if (headers['x-assay-network'] !== 'local') return 'it does not say which chain it is about'
    if (status === 200) return undefined
    const read = errorShape.safeParse(JSON.parse(body.toString()))
    if (!read.success) return z.prettifyError(read.error)
    return read.data.description === read.data.message ? undefined : 'description and message differ'
  }

  const says =
    (status: number, ...codes: string[]) =>
    (answer: HttpAnswer) =>
      answer.status === status && codes.includes(JSON.parse(answer.body.toString()).code)
  const invalidBeef = says(400, 'ERR_OVERLAY_ADMISSION_INVALID_BEEF')
  const invalid = says(400, 'ERR_OVERLAY_ADMISSION_INVALID_BEEF', 'ERR_OVERLAY_ADMISSION_SCRIPT_INVALID')

  test('answers malformed BEEF', async () => {
    const subject = readSubmittedBeef(material.valid)
    const txid = subject.ok ? subject.value.subject.txid : ''
    await storm(malformed(material), (answer, { bytes }) => {
      if (answer.status !== 200) return invalid(answer)
      // Some bytes of a Merkle path may be another way without any harm: still the same transaction.
      const read = readSubmittedBeef(bytes)
      return read.ok && read.value.subject.txid === txid
    })
  })

  test('answers truncated BEEF', () => storm(truncated(material), invalidBeef))

  test('answers deep BEEF that is sound', () => storm(deepAndSound(material), ({ status }) => status === 200))

  test('answers deep BEEF that is not', () => storm(deepAndBroken(material), invalid))

  test('answers BEEF that goes round in circles', () => storm(cyclic(material), invalidBeef))

  test('answers what is too long', async () => {
    const { submitBytesMax } = overlayRouteLimits
    const piece = new Uint8Array(256 * 1024).fill(0x5a)
    const pieces = (length: number) => Array.from({ length: Math.ceil(length / piece.length) }, () => piece)
    const beyondBeef = fc.integer({ min: MIB + 1, max: 2 * MIB }).map(length => ({
      what: `${length} bytes`,
      body: Object.assign(new Uint8Array(length), material.valid.subarray(0, 4)),
      headers: {},
      isRight: invalidBeef,
    }))
    const beyondRoute = fc
      .tuple(fc.integer({ min: submitBytesMax + 1, max: submitBytesMax + MIB }), fc.boolean())
      .map(([length, announced]) => ({
        what: `${length} bytes, ${announced ? 'announced' : 'in chunks'}`,
        body: pieces(length),
        headers: announced ? { 'content-length': String(pieces(length).length * piece.length) } : {},
        isRight: says(413, 'ERR_REQUEST_TOO_LARGE'),
      }))
    const values = fc.integer({ min: 1, max: 100 }).map(mib => ({
      what: `off-chain values behind a BEEF of ${mib} MiB that is not there`,
      body: [Uint8Array.of(0xfe, 0, 0, mib, 0), piece],
      headers: { 'x-includes-off-chain-values': 'true' },
      isRight: invalidBeef,
    }))
    await storm(
      fc.oneof(
        { weight: 6, arbitrary: beyondBeef },
        { weight: 1, arbitrary: beyondRoute },
        { weight: 3, arbitrary: values },
      ),
      (answer, { isRight }) => isRight(answer),
      EACH,
      ({ body, headers }) => ({ path: '/submit', headers: { ...submitHeaders, ...headers }, body }),
    )
  })

  test('answers topics that it does not host, and headers that name none', async () => {
    const text = fc.string({ minLength: 1, maxLength: 60 }).map(each => encodeURIComponent(each))
    const names = fc.array(
      fc.oneof(text, fc.constantFrom('tm_gitdata_events_ingest', 'constructor', '__proto__')),
      {
        minLength: 1,
        maxLength: 40,
      },
    )
    const unknown = names
      .filter(list => list.length <= 32 && list.some(name => name !== 'tm_gitdata_events_ingest'))
      .map(list => ({
        topics: JSON.stringify(list),
        isRight: says(400, 'ERR_OVERLAY_ADMISSION_INVALID_TOPIC'),
      }))
    const notAList = fc
      .oneof(
        text,
        fc.constantFrom(
          '[]',
          '{}',
          '[1]',
          'null',
          '"tm_gitdata_events_ingest"',
          '[["tm_gitdata_events_ingest"]]',
          '[',
        ),
        fc
          .integer({ min: 33, max: 400 })
          .map(count => JSON.stringify(Array(count).fill('tm_gitdata_events_ingest'))),
      )
      .map(topics => ({ topics, isRight: says(400, 'ERR_OVERLAY_ADMISSION_MISSING_TOPICS_HEADER') }))
    const thousands = fc.integer({ min: 1000, max: 9000 }).map(count => ({
      topics: JSON.stringify(Array(count).fill('tm_gitdata_events_ingest')),
      isRight: says(431, 'ERR_REQUEST_TOO_LARGE'),
    }))
    await storm(
      fc.oneof(unknown, notAList, thousands).map(each => ({ ...each, what: each.topics.slice(0, 80) })),
      (answer, { isRight }) => isRight(answer),
      EACH,
      ({ topics }) => ({
        path: '/submit',
        headers: { ...submitHeaders, 'x-topics': topics },
        body: material.valid,
      }),
    )
  })

  test('answers bodies of other types and encodings', async () => {
    const bomb = gzipSync(new Uint8Array(64 * MIB), { level: 9 })
    const type = fc.constantFrom('text/plain', 'multipart/form-data; boundary=x', 'octet-stream', '*/*', ';')
    const otherType = type.map(each => ({
      what: each,
      path: '/submit',
      headers: { ...submitHeaders, 'content-type': each },
      body: material.valid,
      isRight: says(400, 'ERR_CONTENT_TYPE'),
    }))
    const encoding = fc.constantFrom('gzip', 'deflate', 'br', 'zstd', 'gzip, gzip', 'x', 'GZIP')
    const encoded = fc
      .tuple(encoding, fc.constantFrom('/submit', '/lookup', '/arc-ingest'))
      .map(([each, path]) => ({
        what: `${each} to ${path}`,
        path,
        headers: { ...submitHeaders, 'content-encoding': each },
        body: bomb.subarray(0, 64 * 1024),
        isRight: says(415, 'ERR_CONTENT_TYPE'),
      }))
    const noJson = fc
      .tuple(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.integer({ min: 2, max: 60_000 }).map(depth => new Uint8Array(depth).fill(0x5b)),
        ),
        fc.constantFrom('/lookup', '/arc-ingest', '/requestSyncResponse', '/requestForeignGASPNode'),
        fc.oneof(type, fc.constant('application/json')),
      )
      .map(([body, path, contentType]) => ({
        what: `${body.length} bytes that are no JSON to ${path}`,
        path,
        headers: { 'content-type': contentType },
        body,
        isRight: says(400, 'ERR_REQUEST_INVALID', 'ERR_LOOKUP_INVALID_QUERY'),
      }))
    await storm(
      fc.oneof(otherType, encoded, noJson),
      (answer, { isRight }) => isRight(answer),
      EACH,
      ({ path, headers, body }) => ({ path, headers, body }),
    )
  })

  /** Heads of requests to /submit whose bodies never come, or only in part. */
  const head = (...lines: string[]) =>
    [
      'POST /submit HTTP/1.1',
      'Host: x',
      ...Object.entries(submitHeaders).map(([name, value]) => `${name}: ${value}`),
      ...lines,
      '',
      '',
    ].join('\r\n')

  /** As many as there are places for submissions, and more, say half of something and then nothing, all at once. */
  async function keepSilent(): Promise<string[]> {
    const part = fc.tuple(fc.nat(material.valid.length), fc.integer({ min: 1, max: 8 * MIB }), fc.boolean())
    const halves = fc.sample(part, EACH).map(async ([come, missing, chunked]) => {
      const [answer] = await exchange(node.port, socket => {
        socket.write(
          head(
            chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${come + missing}`,
            'Connection: close',
          ),
        )
        if (come === 0) return
        if (chunked) socket.write(`${come.toString(16)}\r\n`)
        socket.write(material.valid.subarray(0, come))
      })
      return answer !== undefined && says(408, 'ERR_REQUEST_TIMEOUT')(answer)
        ? undefined
        : `${come} bytes: ${answer?.status}`
    })
    const heads = fc.sample(fc.nat(head().length - 3), EACH).map(async come => {
      const [answer] = await exchange(node.port, socket => socket.write(head().slice(0, come + 1)))
      return answer !== undefined && says(408, 'ERR_REQUEST_TIMEOUT')(answer)
        ? undefined
        : `${come} bytes of a head: ${answer?.status}`
    })
    return (await Promise.all([...halves, ...heads])).filter(wrong => wrong !== undefined)
  }

  test('answers bodies that end before they should, and survives those that are reset', async () => {
    const ways = fc.sample(
      fc.tuple(fc.nat(material.valid.length - 1), fc.constantFrom('ended', 'reset')),
      EACH,
    )
    const wrong = await Promise.all(
      ways.map(async ([come, how]) => {
        const [answer, ...more] = await exchange(node.port, socket => {
          socket.write(head(`Content-Length: ${material.valid.length}`))
          socket.write(material.valid.subarray(0, come), () =>
            how === 'ended' ? socket.end() : socket.resetAndDestroy(),
          )
        })
        if (how === 'reset') return undefined
        const right = answer !== undefined && more.length === 0 && says(400, 'ERR_REQUEST_INVALID')(answer)
        return right ? against(answer) : `${come} bytes: ${answer?.status} and ${more.length} more`
      }),
    )
    expect(wrong.filter(each => each !== undefined)).toEqual([])
  })

  test('answers what is not HTTP, also behind what is', async () => {
    const garbage = fc.uint8Array({ minLength: 20, maxLength: 400 }).map(bytes => ({
      what: 'garbage',
      bytes: Buffer.concat([bytes, Buffer.from('\r\n\r\n')]),
      statuses: [400],
    }))
    const behind = fc.uint8Array({ minLength: 20, maxLength: 400 }).map(bytes => ({
      what: 'garbage behind a request',
      bytes: Buffer.concat([Buffer.from('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n\0'), bytes]),
      statuses: [200, 400],
    }))
    const lies = fc.integer({ min: 0, max: 100 }).map(length => ({
      what: `a body of which ${length} bytes were announced`,
      bytes: Buffer.concat([
        Buffer.from(head(`Content-Length: ${length}`)),
        Buffer.from([0]),
        material.valid,
      ]),
      statuses: [400],
    }))
    const bombs = fc.integer({ min: 17_000, max: 200_000 }).map(length => ({
      what: `headers of ${length} bytes`,
      bytes: Buffer.from(`GET /health/live HTTP/1.1\r\nHost: x\r\nX-Bomb: ${'b'.repeat(length)}\r\n\r\n`),
      statuses: [431],
    }))
    const odd = fc
      .constantFrom(
        'GET / HTTP/9.9\r\n\r\n',
        'FROB / HTTP/1.1\r\nHost: x\r\n\r\n',
        'POST /submit HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc',
        'POST /submit HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\n',
        'POST /submit HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc',
        `${head('Transfer-Encoding: chunked')}zz\r\n`,
        'GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n',
      )
      .map(text => ({ what: text, bytes: Buffer.from(text), statuses: [400] }))
    const all = fc.sample(fc.oneof(garbage, behind, lies, bombs, odd), EACH)
    const wrong = await Promise.all(
      all.map(async ({ what, bytes, statuses }) => {
        const answers = await exchange(node.port, socket => socket.end(bytes))
        const seen = answers.map(({ status }) => status)
        const faults = answers.map(against).filter(each => each !== undefined)
        // Of two answers, the second may be lost with the connection that the first has ended on.
        const isRight =
          seen.length > 0 && seen.every((status, i) => status === statuses[i] || status === statuses.at(-1))
        return isRight && faults.length === 0 ? undefined : `${what}: ${seen} ${faults}`
      }),
    )
    expect(wrong.filter(each => each !== undefined)).toEqual([])
  })

  test('serves others while it checks the signatures of one', async () => {
    const { subject, transactions } = await faucetBeef(node.url, owner, 1, 1_000_000)
    const fan = signTransaction(
      [coinOf(subject, 0, owner.privateKey)],
      Array.from({ length: 2500 }, () => payTo(owner, 100)),
    )
    const spends = fan.outputs.map((_, vout) =>
      coinOf(fan, vout, vout === 2499 ? party('a thief').privateKey : owner.privateKey),
    )
    const heavy = writeBeef([...transactions, fan, signTransaction(spends, [payTo(owner, 1)])])
    let done = false
    const judged = client.send(submit(heavy)).finally(() => {
      done = true
    })
    const before = good.served()
    let servedMeanwhile = 0
    while (!done) {
      await new Promise(resolve => setImmediate(resolve))
      servedMeanwhile = good.served() - before
    }
    expect(says(400, 'ERR_OVERLAY_ADMISSION_SCRIPT_INVALID')(await judged)).toBe(true)
    expect(servedMeanwhile).toBeGreaterThan(5)
  })

  test('gives up on those who say half of something and then nothing', async () => {
    expect(await silent).toEqual([])
  })

  test('has served everybody else all the while', () => {
    expect(good.wrong()).toEqual([])
    expect(good.served()).toBeGreaterThan(EACH)
  })

  test('has logged no failure of its own, and is alive', async () => {
    expect((await node.metrics()).get('assay_http_errors_total')).toBe(0)
    expect(node.lines.filter(line => line.startsWith('{'))).toEqual([])
    expect(node.process.exitCode).toBeNull()
  })

  test('has given its memory back', async () => {
    await good.stop()
    await expect.poll(memory, { timeout: 30_000, interval: 500 }).toBeLessThan(memoryBefore + MEMORY_MARGIN)
  })
})
