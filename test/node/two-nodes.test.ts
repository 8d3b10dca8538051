import { afterEach, describe, expect, onTestFailed, test } from 'vitest'
import { baseLookupServices, baseTopics } from '../../src/contract/names.ts'
import { temporaryDatabase } from '../support/database.ts'
import { freePort } from '../support/free-port.ts'
import { party } from '../support/pipeline.ts'
import { runningNode, type TestNode } from '../support/running-node.ts'
import { faucetMoney, stockBatch } from '../support/stock-wallet.ts'
import { until } from '../support/until.ts'
import { type ChildNode, startChildNode } from './child-node.ts'

const publisher = party('publisher')
const ending: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

describe('a second node on the chain of a first one', () => {
  test('gets what was submitted to the first while it was killed, and goes on after another kill', {
    timeout: 120_000,
  }, async () => {
    // The first one names nobody, so nobody is told: what the second one has, it has asked for.
    const first = await runningNode()
    ending.push(first.end)
    const database = await temporaryDatabase()
    ending.push(database.drop)
    const port = String(await freePort())
    const start = async (): Promise<ChildNode> => {
      const node = startChildNode({
        PORT: port,
        DATABASE_URL: database.url,
        LOCAL_CHAIN_URL: `${first.url}/chain`,
        ASSAY_PEERS: first.url,
        ASSAY_SYNC_MS: '200',
      })
      ending.push(node.kill)
      onTestFailed(() => void process.stderr.write(node.said()))
      await node.ready()
      return node
    }
    const txids: string[] = []
    txids.push(...(await submit(first, 2)))
    let second = await start()
    await until(async () => hasAll(second, txids))
    for (const count of [3, 30]) {
      await second.kill()
      txids.push(...(await submit(first, count)))
      second = await start()
      // The second time in the middle of it, wherever that is.
      if (count === 30) {
        await until(async () => (await found(second)) > txids.length - count)
        await second.kill()
        second = await start()
      }
      await until(async () => hasAll(second, txids))
    }
    expect(await found(second)).toBe(txids.length)
  })
})

async function submit({ url }: TestNode, count: number): Promise<string[]> {
  const txids: string[] = []
  let money = await faucetMoney(url, publisher)
  for (let n = 0; n < count; n++) {
    money = await stockBatch(publisher, money, `{"n":${n}}\n`, n === 0 ? 0 : 1)
    const response = await fetch(`${url}/submit`, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/octet-stream',
        'X-Topics': JSON.stringify([baseTopics.ingest]),
      },
      body: Uint8Array.from(money.toBEEF()),
    })
    if (!response.ok) throw new Error(await response.text())
    txids.push(money.id('hex'))
  }
  return txids
}

async function hasAll(node: ChildNode, txids: readonly string[]): Promise<boolean> {
  const there = await Promise.all(txids.map(txid => lookup(node, { txid })))
  return there.every(count => count === 1)
}

function found(node: ChildNode): Promise<number> {
  return lookup(node, { publisher: publisher.identityKey })
}

async function lookup({ url }: ChildNode, query: object): Promise<number> {
  const response = await fetch(`${url}/lookup`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ service: baseLookupServices.events, query: { ...query, limit: 500 } }),
  })
  const answer: unknown = await response.json()
  return typeof answer === 'object' && answer !== null && 'outputs' in answer && Array.isArray(answer.outputs)
    ? answer.outputs.length
    : 0
}
