import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import {
  LookupResolver,
  StorageDownloader,
  StorageUploader,
  StorageUtils,
  TopicBroadcaster,
  Transaction,
} from '@bsv/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { sha256Hex } from '#sha256'
import { baseLookupServices, baseTopics } from '../../src/contract/names.ts'
import { party } from '../support/pipeline.ts'
import { runningNode, type TestNode } from '../support/running-node.ts'
import { stockUhrpAdvert } from '../support/stock-adverts.ts'
import { authFetchOf, stockWallet } from '../support/stock-auth.ts'
import { faucetMoney, headersOf, stockBatch, stockSpend } from '../support/stock-wallet.ts'
import { until } from '../support/until.ts'

const outputList = z.object({
  outputs: z.array(
    z.object({ beef: z.array(z.number()), outputIndex: z.number(), context: z.array(z.number()) }),
  ),
})

const url = 'http://localhost:8080'
const publisher = party('stock publisher')

// The SDK's `local` preset knows one address. No other test listens there.
describe('the stock SDK with its local preset', () => {
  let node: TestNode
  beforeAll(async () => {
    node = await runningNode({ PORT: '8080', LOCAL_CHAIN_CONTROL: 'true' })
  })
  afterAll(() => node.end())

  const broadcaster = () => new TopicBroadcaster([baseTopics.ingest], { networkPreset: 'local' })
  const resolver = () => new LookupResolver({ networkPreset: 'local' })

  test('broadcasts to a topic, and finds what it sent', async () => {
    const batch = await stockBatch(publisher, await faucetMoney(url, publisher), '{"celsius":21}\n')
    const txid = batch.id('hex')
    expect(await broadcaster().broadcast(batch)).toMatchObject({ status: 'success', txid })
    // A broadcaster that gets no admission for a topic calls it a failure; what came before is answered as before.
    expect(await broadcaster().broadcast(batch)).toMatchObject({ status: 'success', txid })

    const answer = await resolver().query({ service: baseLookupServices.events, query: { txid } })
    expect(
      answer.outputs.map(({ beef, outputIndex }) => [Transaction.fromBEEF(beef).id('hex'), outputIndex]),
    ).toEqual([[txid, 0]])
    expect(JSON.parse(Buffer.from(answer.outputs[0]?.context ?? []).toString())).toMatchObject({
      publisher: publisher.identityKey,
      streamId: 'sensors.temperature',
      count: 1,
      spent: false,
    })
  })

  test('reads both forms of an answer alike', async () => {
    const money = await faucetMoney(url, publisher)
    const first = await stockBatch(publisher, money, '{"celsius":1}\n')
    const second = await stockBatch(publisher, first, '{"celsius":2}\n', 1)
    await broadcaster().broadcast(second)
    const query = {
      service: baseLookupServices.events,
      query: { publisher: publisher.identityKey, order: 'desc', limit: 2 },
    }
    const response = await fetch(`${url}/lookup`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(query),
    })
    const json = outputList.parse(await response.json())
    const aggregated = await resolver().query(query)
    const shown = (outputs: { beef: number[]; outputIndex: number; context?: number[] }[]) =>
      outputs.map(({ beef, outputIndex, context }) => [
        Transaction.fromBEEF(beef).id('hex'),
        outputIndex,
        context,
      ])
    expect(shown(aggregated.outputs).sort()).toEqual(shown(json.outputs).sort())
    expect(json.outputs).toHaveLength(2)
  })

  test('verifies what it finds against the headers, before and after a reorganisation of three blocks', async () => {
    const batch = await stockBatch(publisher, await faucetMoney(url, publisher), '{"celsius":3}\n')
    const txid = batch.id('hex')
    await broadcaster().broadcast(batch)
    const proofInAnswer = async () => {
      const { outputs } = await resolver().query({ service: baseLookupServices.events, query: { txid } })
      return Transaction.fromBEEF(outputs[0]?.beef ?? []).merklePath
    }
    await until(async () => (await proofInAnswer()) !== undefined)
    const before = await proofInAnswer()
    for (let more = 0; more < 2; more++) await anotherBlock()
    expect(await verifies(txid)).toBe(true)

    const response = await fetch(`${url}/chain/reorganise`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ depth: 3 }),
    })
    const { tip } = z.object({ tip: z.object({ height: z.number() }) }).parse(await response.json())
    expect(tip.height).toBeGreaterThan(before?.blockHeight ?? Number.POSITIVE_INFINITY)
    await until(async () => {
      const now = await proofInAnswer()
      return now !== undefined && now.toHex() !== before?.toHex()
    })
    expect(await verifies(txid)).toBe(true)
  })

  async function verifies(txid: string): Promise<boolean> {
    const { outputs } = await resolver().query({ service: baseLookupServices.events, query: { txid } })
    return Transaction.fromBEEF(outputs[0]?.beef ?? []).verify(headersOf(url))
  }

  async function anotherBlock(): Promise<void> {
    const height = () => headersOf(url).currentHeight()
    const before = await height()
    await faucetMoney(url, publisher)
    await until(async () => (await height()) > before)
  }
})

describe('a whole node with fuel, to the stock SDK', () => {
  const admin = party('stock admin')
  let node: TestNode
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'assay-stock-'))
    node = await runningNode({
      PORT: '8080',
      FUEL_HORIZON_S: '30',
      UHRP_UPLOADERS: 'any',
      UHRP_DIR: directory,
      ADMIN_IDENTITY_KEYS: admin.identityKey,
    })
  })
  afterAll(async () => {
    await node.end()
    await rm(directory, { recursive: true, force: true })
  })

  const uploader = () => new StorageUploader({ storageURL: url, wallet: stockWallet(publisher) })
  const downloader = () => new StorageDownloader({ networkPreset: 'local' })
  const isAdvertised = (uhrpUrl: string) =>
    until(async () => (await downloader().resolve(uhrpUrl)).length > 0)
  const publish = async (data: Uint8Array) => {
    const { uhrpURL } = await uploader().publishFile({
      file: { data, type: 'text/csv' },
      retentionPeriod: 60,
    })
    await isAdvertised(uhrpURL)
    return uhrpURL
  }

  test('stores a file, advertises it, and gives it back under each spelling of its URL', async () => {
    const data = new Uint8Array(Buffer.from('celsius\n21\n'.repeat(50_000)))
    const uhrpUrl = await publish(data)
    for (const spelling of [uhrpUrl, `uhrp:${uhrpUrl}`, `uhrp://${uhrpUrl}`]) {
      const downloaded = await downloader().download(spelling)
      expect(downloaded.mimeType).toBe('text/csv')
      expect(Buffer.from(downloaded.data).equals(data)).toBe(true)
    }
  })

  test('whose file was damaged has it refused, until it is stored again', async () => {
    const data = new Uint8Array(Buffer.from('celsius\n22\n'))
    const uhrpUrl = await publish(data)
    const files = await readdir(directory, { recursive: true, withFileTypes: true })
    const file = files.find(each => each.name === sha256Hex(data))
    await writeFile(path.join(file?.parentPath ?? '', sha256Hex(data)), 'celsius\n99\n')
    await expect(downloader().download(uhrpUrl)).rejects.toThrow(/Unable to download|No one/)
    await publish(data)
    expect(Buffer.from((await downloader().download(uhrpUrl)).data).equals(data)).toBe(true)
  })

  test('is not asked for what an expired advert says', async () => {
    const data = new Uint8Array(Buffer.from('celsius\n23\n'))
    const hash = sha256Hex(data)
    const advert = { hash, url: `${url}/uhrp/${hash}`, expirySeconds: 1_700_000_000, size: data.length }
    const script = await stockUhrpAdvert(publisher, advert)
    const transaction = await stockSpend(publisher, await faucetMoney(url, publisher), script)
    const broadcaster = new TopicBroadcaster([baseTopics.uhrp], { networkPreset: 'local' })
    expect(await broadcaster.broadcast(transaction)).toMatchObject({ status: 'success' })
    const download = () => downloader().download(StorageUtils.getURLForFile(data))
    await expect(download()).rejects.toThrow('No one currently hosts this file!')
    await publish(data)
    expect(Buffer.from((await download()).data).equals(data)).toBe(true)
  })

  test('knows who asks, and lets in those alone whom it lists', async () => {
    const asked = async (who: typeof admin, route: string) =>
      (await authFetchOf(who).fetch(`${url}${route}`)).status
    expect(await asked(publisher, '/list')).toBe(200)
    expect(await asked(admin, '/admin/stats')).toBe(200)
    expect(await asked(publisher, '/admin/stats')).toBe(403)
  })
})
