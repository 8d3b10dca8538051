import { Transaction as StockTransaction } from '@bsv/sdk'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { type BeefTransaction, writeBeef } from '../../src/contract/beef.ts'
import { writeBump } from '../../src/contract/bump.ts'
import { baseTopics } from '../../src/contract/names.ts'
import { p2pkhLock } from '../../src/contract/script.ts'
import { buildTransaction, type Transaction } from '../../src/contract/transaction.ts'
import { toHex } from '../../src/core/bytes.ts'
import { startNode } from '../../src/node.ts'
import { readSettings } from '../../src/runtime/settings.ts'
import { type ArcServer, arcServer } from '../support/arc-server.ts'
import { findDisagreements } from '../support/check-overlay.ts'
import { batchTransaction } from '../support/event-batches.ts'
import { freePort } from '../support/free-port.ts'
import { type HeadersServer, headersServer } from '../support/headers-server.ts'
import { type MadeBlock, MadeNetwork } from '../support/made-network.ts'
import { party } from '../support/pipeline.ts'
import { runningNode, type TestNode } from '../support/running-node.ts'
import { silentLog } from '../support/silent-log.ts'
import { until } from '../support/until.ts'
import { lookUp } from './audit-node.ts'

const publisher = party('publisher')
const token = 'a-callback-token-for-tests'

let network: MadeNetwork
let headers: HeadersServer
let arc: ArcServer
let node: TestNode
let db: pg.Pool
let settings: Record<string, string>
/** Coins in an early block, which no branch leaves out. */
let coins: Transaction[]
let early: MadeBlock

beforeAll(async () => {
  network = new MadeNetwork()
  headers = await headersServer(network)
  arc = await arcServer(network)
  coins = Array.from({ length: 16 }, (_, i) =>
    buildTransaction(
      [{ txid: 'cd'.repeat(32), vout: i, script: new Uint8Array() }],
      [{ satoshis: 1000, script: p2pkhLock(publisher.publicKey) }],
    ),
  )
  early = network.mine(coins)
  const port = await freePort()
  settings = {
    PORT: String(port),
    ASSAY_NETWORK: 'testnet',
    WALLET_KEY: '11'.repeat(32),
    HEADERS_URL: headers.url,
    HEADERS_TOKEN: headers.token,
    ARC_URL: arc.url,
    ARC_API_KEY: arc.apiKey,
    ARC_CALLBACK_URL: `http://127.0.0.1:${port}/arc-ingest`,
    ARC_CALLBACK_TOKEN: token,
  }
  node = await runningNode(settings, { anchor: network.anchor, headersPollMs: 20 })
  db = new pg.Pool({ connectionString: node.databaseUrl, max: 2 })
}, 60_000)
afterAll(async () => {
  expect(await findDisagreements(db)).toEqual([])
  await db.end()
  await node.end()
  await headers.stop()
  await arc.stop()
})

describe('a node on testnet', () => {
  test('admits a transaction, has it seen, mined and proven, and serves the proof', async () => {
    const batch = await admitted('whole life')
    await until(() => told(batch.txid))
    expect(arc.submitted).toContainEqual({ txid: batch.txid, form: 'extended' })
    expect(arc.headers()).toMatchObject({
      'x-callbackurl': settings['ARC_CALLBACK_URL'],
      'x-callbacktoken': token,
      'x-fullstatusupdates': 'true',
    })
    // ARC's callback is lost on the way; the block itself is what tells the node to ask.
    const block = network.mine([batch])
    await until(() => provenIn(batch, block))
    const [found] = await served(batch)
    const transaction = StockTransaction.fromBEEF(found?.beef ?? [])
    expect(transaction.merklePath?.blockHeight).toBe(block.height)
    expect(await transaction.verify(tracker)).toBe(true)
  })

  test('says on which network it is, and how old what it knows is', async () => {
    const response = await fetch(`${node.url}/health`)
    expect(response.headers.get('x-assay-network')).toBe('testnet')
    expect(response.headers.get('x-assay-economic-finality')).toBe('false')
    const { checks } = z
      .object({
        checks: z.array(z.object({ name: z.string(), status: z.string(), message: z.string().optional() })),
      })
      .parse(await response.json())
    expect(checks.find(({ name }) => name === 'chain')).toMatchObject({
      status: 'ok',
      message: expect.stringMatching(/^height \d+, a block of /),
    })
    expect(checks.find(({ name }) => name === 'headers')).toMatchObject({ status: 'ok' })
    expect((await fetch(`${node.url}/chain/tip`)).status).toBe(404)
  })

  test('takes the proof of a callback where ARC will not say it again', async () => {
    const batch = await seen('callback')
    arc.says(batch.txid, { txStatus: 'SEEN_ON_NETWORK', merklePath: '' })
    const block = network.mine([batch])
    const merklePath = toHex(writeBump(network.proofOf(batch.txid, block)))
    const mined = { txStatus: 'MINED', merklePath, blockHeight: block.height }
    // Until its own headers have the block, it asks for the callback to come again.
    await until(async () => (await arc.callBack(batch.txid, mined)) === 200)
    await until(() => provenIn(batch, block))
    // One that is late says nothing against a block.
    expect(await arc.callBack(batch.txid, { txStatus: 'REJECTED' })).toBe(200)
    expect(await served(batch)).toHaveLength(1)
  })

  test('asks again for an orphan once its parents have come', async () => {
    const batch = await admitted('orphan', { txStatus: 'SEEN_IN_ORPHAN_MEMPOOL' })
    await until(async () => (await lastError(batch.txid))?.includes('SEEN_IN_ORPHAN_MEMPOOL'))
    expect(await served(batch)).toHaveLength(1)
    arc.says(batch.txid, undefined)
    expect(await arc.callBack(batch.txid, { txStatus: 'SEEN_ON_NETWORK' })).toBe(200)
    await until(() => told(batch.txid))
  })

  test('lets go of what 200 says is rejected', async () => {
    const batch = await admitted('rejected', { txStatus: 'REJECTED', extraInfo: 'dust' })
    expect(await until(() => evictedFor(batch.txid))).toBe('the network refused it: ARC: REJECTED, dust')
    expect(await served(batch)).toEqual([])
  })

  test('gives way to a rival that ARC names, and comes back if the network mines ours all the same', async () => {
    const rival = 'ab'.repeat(32)
    const batch = await admitted('contested', { txStatus: 'DOUBLE_SPEND_ATTEMPTED', competingTxs: [rival] })
    await until(() => evictedFor(batch.txid))
    expect(await served(batch)).toEqual([])
    arc.says(batch.txid, undefined)
    const block = network.mine([batch])
    await until(async () => (await served(batch)).length === 1)
    await until(() => provenIn(batch, block))
  })

  test('keeps what has been seen while a rival only tries', async () => {
    const batch = await seen('tried')
    arc.says(batch.txid, { txStatus: 'DOUBLE_SPEND_ATTEMPTED', competingTxs: ['ab'.repeat(32)] })
    expect(await arc.callBack(batch.txid, { txStatus: 'DOUBLE_SPEND_ATTEMPTED' })).toBe(200)
    arc.says(batch.txid, undefined)
    const block = network.mine([batch])
    await until(() => provenIn(batch, block))
  })

  test('lets go of what was seen and then rejected, by callback', async () => {
    const batch = await seen('rejected later')
    arc.says(batch.txid, { txStatus: 'REJECTED', extraInfo: 'double spend attempted' })
    expect(await arc.callBack(batch.txid, { txStatus: 'REJECTED' })).toBe(200)
    expect(await until(() => evictedFor(batch.txid))).toContain('double spend attempted')
  })

  test('lets go of it with the next block where that callback is lost', async () => {
    const batch = await seen('rejected in silence')
    arc.says(batch.txid, { txStatus: 'REJECTED' })
    network.mine()
    await until(() => evictedFor(batch.txid))
  })

  test('hands over what came while ARC was away, and waits for its word', async () => {
    await arc.stop()
    const batch = await admitted('while ARC is away')
    await until(async () => (await lastError(batch.txid))?.includes('ECONNREFUSED'))
    await arc.startAgain()
    await until(() => told(batch.txid))
    const block = network.mine([batch])
    await until(() => provenIn(batch, block))
  })

  test('goes on while its header service is away, and catches up', async () => {
    await headers.stop()
    await until(async () => (await (await fetch(`${node.url}/health`)).text()).includes('ECONNREFUSED'))
    expect((await fetch(`${node.url}/health/ready`)).status).toBe(200)
    const batch = await seen('while headers are away')
    const block = network.mine([batch])
    await headers.startAgain()
    await until(() => provenIn(batch, block))
  })

  test('takes proofs back when another branch has more work, and fetches new ones', async () => {
    const batch = await seen('reorganised')
    const fork = network.tip
    const first = network.mine([batch])
    await until(() => provenIn(batch, first))
    // A block is stale when our headers say so, whoever says it.
    expect(await arc.callBack(batch.txid, { txStatus: 'MINED_IN_STALE_BLOCK' })).toBe(200)
    expect(await provenIn(batch, first)).toBe(true)

    network.mineSeveral(2, { on: fork, salt: 'other' })
    await until(async () => (await proofRoot(batch.txid)) === null)
    expect(await arc.callBack(batch.txid, { txStatus: 'MINED_IN_STALE_BLOCK' })).toBe(200)
    const [unproven] = await served(batch)
    expect(StockTransaction.fromBEEF(unproven?.beef ?? []).merklePath).toBeUndefined()
    const second = network.mine([batch])
    await until(() => provenIn(batch, second))
    const [found] = await served(batch)
    expect(await StockTransaction.fromBEEF(found?.beef ?? []).verify(tracker)).toBe(true)
  })

  test('takes callbacks in batches, and none without the token', async () => {
    const batch = await seen('batched')
    const one = { timestamp: '2026-01-01T00:00:00Z', txid: batch.txid, txStatus: 'SEEN_ON_NETWORK' }
    const unknown = { ...one, txid: 'ab'.repeat(32) }
    const post = async (body: object, bearer = token) =>
      (
        await fetch(`${node.url}/arc-ingest`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${bearer}` },
          body: JSON.stringify(body),
        })
      ).status
    expect(await post({ count: 2, callbacks: [one, one] })).toBe(200)
    expect(await post({ count: 2, callbacks: [one, unknown] })).toBe(404)
    expect(await post({ count: 0, callbacks: [] })).toBe(400)
    expect(await post(unknown)).toBe(404)
    expect(await post({ ...one, txStatus: 'MINED' })).toBe(200)
    expect(await post(one, 'another-token-of-some-length')).toBe(403)
  })

  test('refuses to go on with its database on another network', async () => {
    const elsewhere = readSettings({ PORT: '0', DATABASE_URL: node.databaseUrl })
    await expect(startNode(elsewhere, silentLog)).rejects.toThrow(
      'this database belongs to network testnet, and ASSAY_NETWORK is local. Nothing in it holds good on another chain: use a database of its own for local, or set ASSAY_NETWORK=testnet.',
    )
  })
})

const tracker = {
  isValidRootForHeight: async (root: string, height: number) => {
    for (let block: MadeBlock | undefined = network.tip; block; block = block.previous)
      if (block.height === height)
        return Buffer.from(block.header.subarray(36, 68)).reverse().toString('hex') === root
    return false
  },
  currentHeight: async () => network.tip.height,
}

let spent = 0

/** A batch that the node has admitted, and that ARC will speak of so. */
async function admitted(name: string, saying?: Parameters<ArcServer['says']>[1]): Promise<Transaction> {
  const coin = coins[spent++]
  const [output] = coin?.outputs ?? []
  if (coin === undefined || output === undefined) throw new Error('make more coins')
  const spend = { txid: coin.txid, vout: 0, spent: output, privateKey: publisher.privateKey }
  const batch = batchTransaction(publisher, [spend], { text: `{"name":"${name}"}\n` })
  arc.says(batch.txid, saying)
  const proven: BeefTransaction = { ...coin, proof: network.proofOf(coin.txid, early) }
  const response = await fetch(`${node.url}/submit`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/octet-stream', 'X-Topics': JSON.stringify([baseTopics.ingest]) },
    body: Uint8Array.from(writeBeef([proven, batch])),
  })
  expect(await response.json()).toMatchObject({ [baseTopics.ingest]: { outputsToAdmit: [0] } })
  return batch
}

async function seen(name: string): Promise<Transaction> {
  const batch = await admitted(name)
  await until(() => told(batch.txid))
  return batch
}

async function served({ txid }: Transaction) {
  return lookUp(node.url, { txid })
}

async function provenIn({ txid }: Transaction, block: MadeBlock): Promise<boolean> {
  return (await proofRoot(txid)) === network.proofOf(txid, block).root
}

const hexRow = async (sql: string, txid: string) =>
  (await db.query<{ value: string | null }>(sql, [Buffer.from(txid, 'hex')])).rows[0]?.value

async function proofRoot(txid: string) {
  return hexRow(`select encode(proof_root, 'hex') as value from transactions where txid = $1`, txid)
}

async function told(txid: string): Promise<boolean> {
  return (await hexRow('select target as value from outbox where txid = $1', txid)) === undefined
}

async function lastError(txid: string) {
  return (await hexRow('select last_error as value from outbox where txid = $1', txid)) ?? undefined
}

async function evictedFor(txid: string) {
  return (await hexRow('select reason as value from evicted where txid = $1', txid)) ?? undefined
}
