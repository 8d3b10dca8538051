import { afterEach, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { baseLookupServices, baseTopics } from '../../src/contract/names.ts'
import { temporaryDatabase } from '../support/database.ts'
import { freePort } from '../support/free-port.ts'
import { serve } from '../support/overlay-host.ts'
import { party } from '../support/pipeline.ts'
import { runningNode, type TestNode } from '../support/running-node.ts'
import { stockHostAdvert } from '../support/stock-adverts.ts'
import { faucetMoney, stockBatch, stockSpend } from '../support/stock-wallet.ts'
import { until } from '../support/until.ts'

const publisher = party('publisher')
const fuelled = { FUEL_HORIZON_S: '30', ASSAY_SYNC_MS: '300' }
const ending: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

describe('two nodes of which one has been told of the other', () => {
  test('find each other by their adverts, and admit what either is told, also what one was not there for', {
    timeout: 120_000,
  }, async () => {
    const first = await running(fuelled)
    const database = await temporaryDatabase()
    ending.push(database.drop)
    const own = {
      ...fuelled,
      DATABASE_URL: database.url,
      PORT: String(await freePort()),
      LOCAL_CHAIN_URL: `${first.url}/chain`,
    }
    let second = await running({ ...own, ASSAY_PEERS: first.url })
    for (const node of [first, second])
      await until(async () => (await hostsIn(node, baseTopics.ingest)) === 2)

    // Nobody is named any more: what is left are the adverts.
    await second.stop()
    const whileAway = await submit(first, 2)
    second = await running(own)
    await until(() => hasAll(second, whileAway))
    const toFirst = await submit(first, 2)
    const toSecond = await submit(second, 2, first)
    for (const node of [first, second]) await until(() => hasAll(node, [...toFirst, ...toSecond]))
  })
})

describe('a host under an address that somebody else advertises', () => {
  test('is asked who it is, and is neither told nor asked anything more', { timeout: 60_000 }, async () => {
    const victim = await runningNode()
    ending.push(victim.end)
    const asked: string[] = []
    // In front of the victim, to see what reaches it.
    const door = await serve(async (request, response) => {
      asked.push(request.url ?? '')
      const body: Buffer[] = []
      for await (const part of request) body.push(Buffer.from(part))
      const answer = await fetch(new URL(request.url ?? '', victim.url), {
        method: request.method ?? 'GET',
        headers: { 'Content-Type': request.headers['content-type'] ?? '' },
        ...(body.length > 0 && { body: Buffer.concat(body) }),
      })
      response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()))
    })
    ending.push(door.stop)
    const told: string[] = []
    const bystander = await serve((request, response) => {
      told.push(request.url ?? '')
      response.writeHead(request.url === '/.well-known/auth' ? 404 : 200).end('{}')
    })
    ending.push(bystander.stop)

    const node = await running({ ASSAY_SYNC_MS: '300' })
    await advertise(node, party('a stranger'), door.url)
    await advertise(node, party('a bystander'), bystander.url)
    await until(async () => (await impostors(node)) === 1)
    await submit(node, 3)
    // By then all that is told has been told, and all that is asked has been asked.
    await until(() => told.filter(path => path === '/submit').length >= 3)
    await until(() => told.some(path => path.startsWith('/sync')))
    expect(asked).toEqual(['/.well-known/auth'])
  })
})

async function running(env: Readonly<Record<string, string>>): Promise<TestNode> {
  const node = await runningNode(env)
  ending.push(node.end)
  return node
}

async function advertise(node: TestNode, owner: ReturnType<typeof party>, domain: string): Promise<void> {
  const script = await stockHostAdvert(owner, { kind: 'SHIP', name: baseTopics.ingest, domain })
  const transaction = await stockSpend(owner, await faucetMoney(node.url, owner), script)
  await post(node, transaction.toBEEF(), baseTopics.ship)
}

async function impostors({ url }: TestNode): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(/^assay_discovery_impostors_total (\d+)$/m.exec(text)?.[1])
}

async function submit(node: TestNode, count: number, faucet = node): Promise<string[]> {
  const txids: string[] = []
  let money = await faucetMoney(faucet.url, publisher)
  for (let n = 0; n < count; n++) {
    money = await stockBatch(publisher, money, `{"n":${n}}\n`, n === 0 ? 0 : 1)
    await post(node, money.toBEEF(), baseTopics.ingest)
    txids.push(money.id('hex'))
  }
  return txids
}

async function post({ url }: TestNode, beef: number[], topic: string): Promise<void> {
  const response = await fetch(`${url}/submit`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/octet-stream', 'X-Topics': JSON.stringify([topic]) },
    body: Uint8Array.from(beef),
  })
  if (!response.ok) throw new Error(await response.text())
}

async function hasAll(node: TestNode, txids: readonly string[]): Promise<boolean> {
  const there = await Promise.all(txids.map(txid => found(node, baseLookupServices.events, { txid })))
  return there.every(count => count === 1)
}

function hostsIn(node: TestNode, topic: string): Promise<number> {
  return found(node, baseLookupServices.ship, { topics: [topic] })
}

async function found({ url }: TestNode, service: string, query: object): Promise<number> {
  const response = await fetch(`${url}/lookup`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ service, query }),
  })
  const answer = z.object({ outputs: z.array(z.unknown()) }).safeParse(await response.json())
  return answer.success ? answer.data.outputs.length : 0
}
