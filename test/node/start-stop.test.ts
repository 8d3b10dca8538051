import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { createServer, type Server } from 'node:net'
import { text } from 'node:stream/consumers'
import { Transaction } from '@bsv/sdk'
import { afterEach, describe, expect, test } from 'vitest'
import { baseTopics } from '../../src/contract/names.ts'
import { emptyDatabase } from '../support/database.ts'
import { freePort } from '../support/free-port.ts'
import { party } from '../support/pipeline.ts'
import { faucetMoney, stockBatch } from '../support/stock-wallet.ts'
import { until } from '../support/until.ts'
import { lookUp } from './audit-node.ts'
import type { ChildNode, ChildSettings } from './child-node.ts'
import { type NodeHome, nodeHome } from './node-home.ts'

const publisher = party('publisher')
const cleanly = { code: 0, signal: null }

const undo: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const each of undo.splice(0).reverse()) await each()
}, 60_000)

async function home(settings: ChildSettings = {}): Promise<NodeHome> {
  const made = await nodeHome(settings)
  undo.push(made.remove)
  return made
}

describe('two nodes that start at the same moment', () => {
  test('on one empty data directory both come up, and the last to go stops the database', async () => {
    const { start, postmaster } = await home()
    const both = [start(), start({ PORT: String(await freePort()) })] as const
    await expectToServeAlike(both)
    const [one, other] = both
    one.signal('SIGTERM')
    expect(await one.exited).toEqual(cleanly)
    await submitBatch(other)
    other.signal('SIGTERM')
    expect(await other.exited).toEqual(cleanly)
    expect(postmaster()).toBe(undefined)
  })

  test('on one empty database of a server both come up', async () => {
    const database = await emptyDatabase()
    undo.push(database.drop)
    const { start } = await home({ DATABASE_URL: database.url })
    const both = [start(), start({ PORT: String(await freePort()) })] as const
    await expectToServeAlike(both)
    for (const node of both) node.signal('SIGTERM')
    for (const node of both) expect(await node.exited).toEqual(cleanly)
  })

  async function expectToServeAlike([one, other]: readonly [ChildNode, ChildNode]): Promise<void> {
    await Promise.all([one.ready(), other.ready()])
    const txids = [await submitBatch(one), await submitBatch(other)]
    for (const node of [one, other]) expect((await found(node)).sort()).toEqual(txids.toSorted())
  }
})

describe('a node that is asked to stop', () => {
  test('answers what is under way, ends well, and serves all of it after the next start', async () => {
    const { start, postmaster } = await home()
    const node = start()
    await node.ready()
    const money = await Promise.all(Array.from({ length: 5 }, () => faucetMoney(node.url, publisher)))
    const batches = await Promise.all(money.map((coin, n) => stockBatch(publisher, coin, `{"n":${n}}\n`)))
    const requests = await Promise.all(
      batches.map(batch => beginSubmit(node, Uint8Array.from(batch.toBEEF()))),
    )

    node.signal('SIGTERM')
    await until(() => refusesConnections(node))
    for (const finish of requests)
      expect(await finish()).toEqual({
        status: 200,
        // Or its client would ask for more over the same connection, until that is cut off.
        connection: 'close',
        answer: { [baseTopics.ingest]: { outputsToAdmit: [0], coinsToRetain: [], coinsRemoved: [] } },
      })
    expect(await node.exited).toEqual(cleanly)
    expect(postmaster()).toBe(undefined)

    const next = start()
    await next.ready()
    expect((await found(next)).sort()).toEqual(batches.map(batch => batch.id('hex')).sort())
  })
})

describe('a node that cannot start', () => {
  test('because its port is taken says which setting to change, and leaves no database running', async () => {
    const taken = createServer()
    const port = await portOf(taken)
    undo.push(async () => taken.close())
    const { start, postmaster } = await home()
    const node = start({ PORT: String(port) })
    expect(await node.exited).toEqual({ code: 1, signal: null })
    expect(node.said()).toMatch(
      /^assay: the node does not start: .*EADDRINUSE.*\. .*set PORT to another number\.$/m,
    )
    expect(node.said()).toContain(String(port))
    expect(node.said()).not.toContain('    at ')
    expect(postmaster()).toBe(undefined)
  })

  test('because of its settings names every one that is wrong, and touches nothing', async () => {
    const { start, dataDir } = await home()
    const node = start({
      PORT: 'eighty',
      ASSAY_NETWORK: 'moonnet',
      DATABASE_URL: 'mysql://user:hidden-word@host/name',
      LOCAL_BLOCK_MS: '1',
      ARC_CALLBACK_TOKEN: 'short',
      ASSAY_PEERS: 'not a url',
    })
    expect(await node.exited).toEqual({ code: 1, signal: null })
    const named = node
      .said()
      .split('\n')
      .flatMap(line => /^ {2}([A-Z_]+): /.exec(line)?.[1] ?? [])
    expect(named.sort()).toEqual(
      ['PORT', 'ASSAY_NETWORK', 'DATABASE_URL', 'LOCAL_BLOCK_MS', 'ARC_CALLBACK_TOKEN', 'ASSAY_PEERS'].sort(),
    )
    expect(node.said()).not.toContain('hidden-word')
    expect(readdirSync(dataDir)).toEqual([])
  })
})

async function submitBatch(node: ChildNode): Promise<string> {
  const batch = await stockBatch(publisher, await faucetMoney(node.url, publisher), '{"celsius":21}\n')
  const finish = await beginSubmit(node, Uint8Array.from(batch.toBEEF()))
  expect((await finish()).status).toBe(200)
  return batch.id('hex')
}

const keepingConnections = new Agent({ keepAlive: true })

/** Resolves when the node has begun with the request, and has none of its body yet. */
async function beginSubmit(
  node: ChildNode,
  beef: Uint8Array,
): Promise<() => Promise<{ status: number | undefined; connection: string | undefined; answer: unknown }>> {
  const request = httpRequest(`${node.url}/submit`, {
    method: 'POST',
    agent: keepingConnections,
    headers: {
      Expect: '100-continue',
      'Content-Type': 'application/octet-stream',
      'Content-Length': beef.length,
      'X-Topics': JSON.stringify([baseTopics.ingest]),
    },
  })
  request.flushHeaders()
  await once(request, 'continue')
  return async () => {
    const answered = once(request, 'response')
    request.end(beef)
    const [response]: [IncomingMessage] = (await answered) as [IncomingMessage]
    const { statusCode: status, headers } = response
    return { status, connection: headers.connection, answer: JSON.parse(await text(response)) }
  }
}

async function refusesConnections({ url }: ChildNode): Promise<boolean> {
  const request = httpRequest(`${url}/health/live`, { agent: false })
  request.end()
  try {
    const [response]: [IncomingMessage] = (await once(request, 'response')) as [IncomingMessage]
    response.resume()
    return false
  } catch {
    // ECONNREFUSED: it listens no more.
    return true
  }
}

/** The txids of everything in the index. */
async function found(node: ChildNode): Promise<string[]> {
  const outputs = await lookUp(node.url, { limit: 500 })
  return outputs.map(({ beef }) => Transaction.fromBEEF(beef).id('hex'))
}

async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a listening server has a port')
  return address.port
}
