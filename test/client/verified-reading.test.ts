import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest'
import * as z from 'zod'
import { browserClient } from '../../scripts/bundle-for-browsers.ts'
import { openPublisher, type Refused, subscribe, VerifyError } from '../../src/client/index.ts'
import { choicesFrom } from '../core/rounds/simulator/choices.ts'
import { pause } from '../node/submit-load.ts'
import { agentNames, operatorNames, operatorOf } from '../support/agents-bed/operators.ts'
import { type AgentsBed, agentsBed, bedSource } from '../support/agents-bed.ts'
import { until } from '../support/until.ts'

// By hand, what is promised: ASSAY_CLIENT_KILLS=100 ASSAY_CLIENT_SECONDS=600 npx vitest run test/client/verified-reading.test.ts
const kills = Number(process.env['ASSAY_CLIENT_KILLS'] ?? 3)
/** So long events are sent at least. */
const seconds = Number(process.env['ASSAY_CLIENT_SECONDS'] ?? 0)
const perSecond = Number(process.env['ASSAY_CLIENT_RATE'] ?? 50)
const seed = Number(process.env['ASSAY_SEED'] ?? 20261121)
const momentMsMax = 400
/** A journal of minutes takes a while to read. */
const LOOK_EVERY_MS = 200
/** Of so many kills one is the node's. */
const readersPerNode = 3

const root = fileURLToPath(new URL('../../', import.meta.url))
const operators = operatorNames.map(name => operatorOf(name).identityKey)
let bed: AgentsBed
let logKey: string
let folder: string
beforeAll(async () => {
  // Of the lowest level one operator is enough, which spares six processes.
  bed = await agentsBed({
    absent: agentNames.filter(name => !name.startsWith('north/')),
    sources: [{ id: 'farm-001', type: 'webhook', shape: 'overlay', streams: ['farm-001'] }],
  })
  folder = bed.folder
  const identity = await (await fetch(`${bed.url}/identity`)).json()
  logKey = z.object({ logKey: z.string() }).parse(identity).logKey
}, 120_000)
afterAll(() => bed.stop(), 60_000)

const trust = () => ({ logs: new Set([logKey]), operators: new Set(operators) })

describe('a reader that verifies what it reads', () => {
  test(`has every event once, verified and in order, killed ${kills} times under load, and its node with it`, {
    timeout: 120_000 + 1_500 * seconds + kills * 20_000,
  }, async () => {
    const choices = choicesFrom(seed)
    const journal = path.join(folder, 'journal')
    onTestFailed(async () => void process.stderr.write(await bed.describe()))
    const start = () => startReader([bed.url, journal, logKey, operators.join(',')])
    const load = beginLoad(bed.url)
    const beganMs = Date.now()
    for (let n = 1; n <= kills; n++) {
      const before = sizeOf(journal)
      const reader = start()
      // Now and then it is killed before it has got anywhere.
      if (choices.chance(80)) await until(() => reader.hasExited() || sizeOf(journal) > before)
      if (n % readersPerNode === 0) {
        await bed.node().kill()
        await bed.restartNode()
      }
      // The kills are spread over all the time that there is.
      const nextMs = beganMs + (1_000 * seconds * n) / kills
      await pause(Math.max(choices.pick(momentMsMax), nextMs - Date.now()))
      expect(reader.said()).toBe('')
      await reader.kill()
    }
    const sent = await load.end()
    const reader = start()
    while (!reader.hasExited() && linesOf(journal).length < sent.length) await pause(LOOK_EVERY_MS)
    expect(reader.said()).toBe('')
    await reader.kill()

    const told = linesOf(journal).map(line => toldShape.parse(JSON.parse(line)))
    expect(told.filter(({ type }) => type !== 'event')).toEqual([])
    expect(told.map(({ id }) => id).sort()).toEqual([...sent].sort())
    expect(new Set(told.map(({ verified }) => verified))).toEqual(new Set(['signed']))
    const places = told.map(({ packetNo, line }) => ({ packetNo, line: line ?? -1 }))
    expect(places).toEqual([...places].sort((a, b) => a.packetNo - b.packetNo || a.line - b.line))
    expect(told.some(({ notChecked }) => notChecked.some(what => what.includes('missing before it')))).toBe(
      false,
    )
    const packets = new Set(places.map(({ packetNo }) => packetNo)).size
    process.stdout.write(
      `${kills} kills: ${told.length} events of ${packets} packets read once, each verified\n`,
    )
  })
})

describe('a reader whose node lies', () => {
  /** What a node says from the beginning, as `lie` has it. */
  const told = (lie: Lie, more: { onRefused?(refused: Refused<unknown>): void } = {}) =>
    subscribe({
      ...{ url: bed.url, from: 'earliest', filter: { streams: [bedSource] } },
      verify: { ...trust(), ...more },
      fetch: lyingFetch(lie),
    })

  const blockOf = (n: number, change: (block: string) => string): Lie => {
    let seen = 0
    return { stream: block => (block.includes('"type":"event"') && ++seen === n ? change(block) : block) }
  }
  const inAnswer = (part: string, change: (text: string) => string | Response): Lie => ({
    answer: (address, text) => (address.includes(part) ? change(text) : text),
  })
  const anotherDigit = (text: string) =>
    text.replace(/[0-9](?=[^0-9]*$)/, digit => String((Number(digit) + 1) % 10))
  const gone = () =>
    Response.json({ code: 'proof-gone', detail: 'not here any more', retryable: false }, { status: 410 })
  let other = ''

  const lies: readonly [string, Lie, string, RegExp][] = [
    [
      'about a value',
      blockOf(3, block => block.replace(/"data":\{"celsius":\d+/, '"data":{"celsius":99')),
      'proof-invalid',
      /differ in data/,
    ],
    [
      'about who sent it',
      blockOf(3, block => block.replace(`"sourceId":"${bedSource}"`, '"sourceId":"x"')),
      'proof-invalid',
      /differ in sourceId/,
    ],
    [
      'about when it happened',
      blockOf(3, block => block.replace(/"timestamp":"\d/, '"timestamp":"3')),
      'proof-invalid',
      /differ in timestamp/,
    ],
    [
      'about its version',
      blockOf(1, block => block.replace(/"versionId":"./, '"versionId":"x')),
      'proof-invalid',
      /differ in versionId/,
    ],
    [
      'that it was set aside',
      blockOf(2, block => block.replace('"type":"event"', '"type":"quarantined"')),
      'proof-invalid',
      /told as the other/,
    ],
    ['by leaving one out', blockOf(3, () => ''), 'sequence-broken', /was to come|nothing came of/],
    [
      'by leaving the first one out',
      blockOf(1, () => ''),
      'sequence-broken',
      /was to come|packet 0 has 1 lines/,
    ],
    ['by saying one twice', blockOf(2, block => block + block), 'sequence-broken', /which is before it/],
    [
      'by keeping a packet back',
      { stream: block => (block.includes('"packetNo":1,') ? '' : block) },
      'sequence-broken',
      /nothing came of 1 packets before packet 2: packet 1 has \d+ lines/,
    ],
    ['in a proof', inAnswer('/proof', anotherDigit), 'proof-invalid', /./],
    [
      'with the proof of another packet',
      inAnswer('/proof', text => (other ||= text)),
      'proof-invalid',
      /gave another one/,
    ],
    ['in what was sent', inAnswer('/rounds/packet/', anotherDigit), 'proof-invalid', /./],
    ['in what was certified', inAnswer('/uhrp/', anotherDigit), 'proof-invalid', /another hash/],
    ['by having no proof', inAnswer('/proof', gone), 'proof-missing', /not here any more/],
  ]
  test.each(lies)('%s finds out', async (_, lie, code, detail) => {
    const items = told(lie)
    const error = await readUntil(items, () => false).catch((why: unknown) => why)
    expect(error).toBeInstanceOf(VerifyError)
    expect(error).toMatchObject({ refused: { code, detail: expect.stringMatching(detail) } })
  })

  test('goes on behind what it refuses, where somebody else takes that', async () => {
    const refused: Refused<unknown>[] = []
    const lie = blockOf(3, block => block.replace(/"celsius":\d+/, '"celsius":99'))
    const items = await readUntil(
      told(lie, { onRefused: each => void refused.push(each) }),
      read => read.length === 6,
    )
    expect(refused).toMatchObject([{ code: 'proof-invalid', message: { data: { celsius: 99 } } }])
    expect(items.map(({ verified }) => verified)).toEqual(Array(6).fill('signed'))
  })

  test('says what it could not check', async () => {
    const filtered = subscribe({
      ...{ url: bed.url, from: 'earliest', filter: { streams: [bedSource], types: ['reading'] } },
      verify: trust(),
    })
    const [item] = await readUntil(filtered, read => read.length === 1)
    const sentence = (words: string) => expect.arrayContaining([expect.stringContaining(words)])
    expect(item).toMatchObject({
      verified: 'signed',
      notChecked: sentence('the filter (types) leaves events out'),
    })
    expect(item?.notChecked).toEqual(sentence('certification, overlayMetadata and processingEvidence'))
    const bare = subscribe({
      ...{ url: bed.url, from: 'earliest', filter: { streams: [bedSource] } },
      verify: { require: 'consistent' },
    })
    const [trusting] = await readUntil(bare, read => read.length === 1)
    expect(trusting).toMatchObject({ verified: 'consistent', notChecked: sentence('no list of logs') })
    const strange = subscribe({
      url: bed.url,
      from: 'earliest',
      verify: { ...trust(), logs: new Set(operators) },
    })
    const error = await strange.next().then(undefined, (why: unknown) => why)
    expect(error).toMatchObject({ refused: { code: 'level-not-reached' } })
  })
})

describe('the client for browsers', () => {
  test('reads and verifies as the one for Node does', async () => {
    writeFileSync(path.join(folder, 'assay-client.mjs'), (await browserClient()).text)
    const program = `
      import { subscribe } from ${JSON.stringify(pathToFileURL(path.join(folder, 'assay-client.mjs')).href)}
      const verify = { logs: new Set(['${logKey}']), operators: new Set(${JSON.stringify(operators)}) }
      const items = subscribe({ url: '${bed.url}', from: 'earliest', filter: { streams: ['${bedSource}'] }, verify })
      for (let n = 0; n < 3; n++) console.log((await items.next()).value.verified)
      items.close()`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: folder,
      encoding: 'utf8',
    })
    expect([stdout, stderr]).toEqual(['signed\n'.repeat(3), ''])
  })
})

describe('docs/client.md', () => {
  const page = readFileSync(new URL('../../docs/client.md', import.meta.url), 'utf8')
  const programs = [...page.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, program = '']) => program)

  test('has programs, which are executed here in their order', () => {
    expect(programs.length).toBeGreaterThan(4)
  })

  test.each(programs.map((program, i) => [i + 1, program]))(
    'has program %i, which says what it promises',
    (_, program) => {
      writeFileSync(path.join(folder, 'operators.txt'), operators.join('\n'))
      // The page has an address, a key and a folder of its own, and its reader all agents.
      const here = String(program)
        .replaceAll('http://localhost:8080', bed.url)
        .replaceAll(/'02[0-9a-f]{64}'/g, `'${logKey}'`)
        .replaceAll(/'(operators\.txt|[a-z-]+\.(?:position|journal))'/g, (_, name) =>
          JSON.stringify(path.join(folder, name)),
        )
        .replaceAll("sourceId: 'farm-001'", "sourceId: 'farm-001', level: 'basic'")
      const { stdout, stderr } = spawnSync(
        process.execPath,
        ['--conditions=source', '--import', 'tsx', '--input-type=module', '--eval', here],
        { cwd: root, encoding: 'utf8' },
      )
      const promised = [...String(program).matchAll(/console\.log\(.*\/\/ (.*)/g)].map(
        ([, said]) => `${said}\n`,
      )
      expect([stdout, stderr]).toEqual([promised.join(''), ''])
    },
  )
})

type Lie = {
  /** A block of SSE as it is told instead. */
  stream?(block: string): string
  /** What is answered instead. */
  answer?(address: string, text: string): string | Response
}

/** What its node answers, as a node would that lies. */
function lyingFetch(lie: Lie): typeof fetch {
  return async (address, init) => {
    const response = await fetch(address, init)
    if (!response.ok || response.body === null) return response
    if (response.headers.get('content-type')?.startsWith('text/event-stream') !== true) {
      const said = await response.text()
      const instead = lie.answer?.(String(address), said) ?? said
      return typeof instead === 'string' ? new Response(instead) : instead
    }
    let rest = ''
    const blocks = new TransformStream<string, string>({
      transform(part, controller) {
        const parts = (rest + part).split('\n\n')
        rest = parts.pop() ?? ''
        for (const block of parts) controller.enqueue(lie.stream?.(`${block}\n\n`) ?? `${block}\n\n`)
      },
    })
    const body = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(blocks)
    return new Response(body.pipeThrough(new TextEncoderStream()), response)
  }
}

async function readUntil<Item>(
  items: AsyncIterableIterator<Item> & { close(): void },
  isEnough: (read: readonly Item[]) => boolean,
): Promise<Item[]> {
  const read: Item[] = []
  for await (const item of items) {
    read.push(item)
    if (isEnough(read)) break
  }
  return read
}

const toldShape = z.object({
  type: z.string(),
  id: z.string().nullable(),
  packetNo: z.number(),
  line: z.number().nullable(),
  verified: z.string(),
  notChecked: z.array(z.string()),
})

function sizeOf(journal: string): number {
  return existsSync(journal) ? statSync(journal).size : 0
}

function linesOf(journal: string): string[] {
  return existsSync(journal) ? readFileSync(journal, 'utf8').split('\n').slice(0, -1) : []
}

/** Sends on and on; resolves, at its end, with the ids that a node has given. */
function beginLoad(url: string) {
  const publisher = openPublisher({ url, sourceId: bedSource, level: 'basic' })
  const answers: Promise<string>[] = []
  let goesOn = true
  const sending = (async () => {
    for (let n = 0; goesOn; n++) {
      const event = { eventType: 'reading', externalId: `reading-${n}`, data: { celsius: n % 40 } }
      answers.push(
        publisher.send(event).then(outcome => {
          if (outcome.status !== 'accepted') throw new Error(JSON.stringify(outcome))
          return outcome.eventId
        }),
      )
      await publisher.room()
      await pause(1_000 / perSecond)
    }
  })()
  return {
    async end() {
      goesOn = false
      await sending
      await publisher.close()
      return Promise.all(answers)
    },
  }
}

function startReader(args: readonly string[]) {
  const child: ChildProcess = spawn(
    process.execPath,
    ['--conditions=source', '--import', 'tsx', program, ...args],
    { stdio: ['ignore', 'inherit', 'pipe'] },
  )
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', text => {
    said += text
  })
  const exited = once(child, 'exit')
  return {
    said: () => said,
    hasExited: () => child.exitCode !== null,
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

const program = fileURLToPath(new URL('journal-process.ts', import.meta.url))
