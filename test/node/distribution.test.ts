import { afterEach, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { baseLookupServices, baseTopics, eventTopics } from '../../src/contract/names.ts'
import { openPool } from '../adapters/chain/open-pool.ts'
import { serve } from '../support/overlay-host.ts'
import { party } from '../support/pipeline.ts'
import { runningNode, type TestNode } from '../support/running-node.ts'
import { faucetMoney, stockBatch } from '../support/stock-wallet.ts'
import { until } from '../support/until.ts'

const ending: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

describe('a node with peers', () => {
  test('advertises the topics of events that it is told to, and tells its peers of all', async () => {
    const { node, told } = await besidePeer({ OVERLAY_EVENT_TOPICS: 'gitdata.events.certified' })
    expect(await advertised(node)).toEqual([baseTopics.certified])
    await submitBatch(node)
    await until(() => told().includes(baseTopics.ingest))
  })

  test('that distributes no events advertises none of their topics, and keeps what is submitted to itself', async () => {
    const { node, told, waiting } = await besidePeer({ OVERLAY_EVENT_DISTRIBUTION_ENABLED: 'false' })
    expect(await advertised(node)).toEqual([])
    await submitBatch(node)
    expect(await found(node, baseLookupServices.events, {})).toBe(1)
    await until(async () => (await waiting()) === 0)
    // It is told of adverts all the same.
    expect(told()).toContain(baseTopics.ship)
    expect(told().filter(topic => eventTopics.includes(topic))).toEqual([])
  })
})

/** The peer takes whatever it is told. Resolves once it has been told of the node's adverts. */
async function besidePeer(env: Readonly<Record<string, string>>) {
  const topics: string[] = []
  const peer = await serve((request, response) => {
    if (request.url === '/submit')
      topics.push(...z.array(z.string()).parse(JSON.parse(String(request.headers['x-topics']))))
    response.writeHead(200).end('{}')
  })
  ending.push(peer.stop)
  const node = await runningNode({ FUEL_HORIZON_S: '30', ASSAY_PEERS: peer.url, ...env })
  ending.push(node.end)
  const pool = openPool(node.databaseUrl)
  ending.unshift(() => pool.end())
  await until(() => topics.includes(baseTopics.ship))
  return {
    node,
    told: () => topics,
    async waiting() {
      const { rows } = await pool.query(`select from outbox where target <> 'network'`)
      return rows.length
    },
  }
}

/** All that a node advertises it advertises at once. */
async function advertised(node: TestNode): Promise<string[]> {
  await until(async () => (await hosts(node, baseTopics.agents)) === 1)
  const counts = await Promise.all(eventTopics.map(topic => hosts(node, topic)))
  return eventTopics.filter((_, i) => counts[i] === 1)
}

function hosts(node: TestNode, topic: string): Promise<number> {
  return found(node, baseLookupServices.ship, { topics: [topic] })
}

async function submitBatch({ url }: TestNode): Promise<void> {
  const publisher = party('publisher')
  const batch = await stockBatch(publisher, await faucetMoney(url, publisher), '{"n":1}\n')
  const response = await fetch(`${url}/submit`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/octet-stream',
      'X-Topics': JSON.stringify([baseTopics.ingest]),
    },
    body: Uint8Array.from(batch.toBEEF()),
  })
  expect(response.status).toBe(200)
}

async function found({ url }: TestNode, service: string, query: object): Promise<number> {
  const response = await fetch(`${url}/lookup`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ service, query }),
  })
  return z.object({ outputs: z.array(z.unknown()) }).parse(await response.json()).outputs.length
}
