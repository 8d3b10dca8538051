import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { backOff } from '../../../src/adapters/overlay/outbox.ts'
import { readBeef } from '../../../src/contract/beef.ts'
import { eventBatchToken } from '../../../src/contract/event-batch.ts'
import { baseTopics } from '../../../src/contract/names.ts'
import { utf8 } from '../../../src/core/bytes.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { batchChain, one } from '../../support/batch-chains.ts'
import { type OverlayBed, overlayBed } from '../../support/overlay-bed.ts'
import { party } from '../../support/pipeline.ts'
import { runningNode, type TestNode } from '../../support/running-node.ts'
import { faucetMoney, stockSpend } from '../../support/stock-wallet.ts'
import { until } from '../../support/until.ts'

const publisher = party('publisher')
const topic = baseTopics.ingest

describe('the outbox', () => {
  let bed: OverlayBed
  beforeEach(async () => {
    bed = await overlayBed()
  })
  afterEach(() => bed.close())

  test('tells a peer again until it has answered, and others meanwhile', async () => {
    const told: string[] = []
    let failures = 2
    const overlay = bed.open({
      peers: ['https://slow.example', 'https://quick.example'],
      async post(host) {
        if (host.includes('slow') && failures-- > 0) throw new Error('not now')
        told.push(host)
      },
    })
    await overlay.start()
    const chain = batchChain(publisher, one(await bed.fund(publisher, 1)), 1)
    await overlay.submit(bed.submissionOf(one(chain)))
    await until(async () => (await pending(bed)) === 0)
    expect(told).toEqual(['https://quick.example', 'https://slow.example'])
    expect(bed.reports.filter(({ what }) => what === 'onUndelivered')).toHaveLength(2)
  })

  test('is taken up by another process where the first one died with it in hand', async () => {
    const chain = batchChain(publisher, one(await bed.fund(publisher, 1)), 1)
    await bed.overlay.submit(bed.submissionOf(one(chain)))
    // As a process leaves it that was killed between leasing and telling, and whose lease has run out.
    await bed.database.pool.query('update outbox set attempts = 1, due_ms = 0')
    await bed.open().start()
    await until(async () => (await bed.chain.statusOf([one(chain).txid])).has(one(chain).txid))
  })

  test('is done with what a block proves already', async () => {
    const chain = batchChain(publisher, one(await bed.fund(publisher, 1)), 1)
    const submission = bed.submissionOf(one(chain))
    await bed.overlay.submit(submission)
    // As a process leaves it that was killed between telling the network and noting that it had.
    await bed.chain.broadcast(chain)
    await bed.mine()
    const { proof } = await minedOf(bed, one(chain).txid)
    await bed.overlay.takeProof(one(chain).txid, proof)
    await bed.open().start()
    await until(async () => (await pending(bed)) === 0)
    expect(bed.reports.filter(({ what }) => what === 'onUndelivered')).toEqual([])
  })

  test('tells each transaction once while several processes work at it', async () => {
    const posts: string[] = []
    const nodes = [1, 2, 3].map(() =>
      bed.open({
        peers: ['https://peer.example'],
        post: async (_host, beef) => void posts.push(Buffer.from(beef).toString('hex')),
      }),
    )
    for (const node of nodes) await node.start()
    const coins = await bed.fund(publisher, 12)
    const submissions = coins.map(coin => bed.submissionOf(one(batchChain(publisher, coin, 1))))
    await Promise.all(submissions.map((submission, i) => nodes[i % 3]?.submit(submission)))
    await until(async () => (await pending(bed)) === 0)
    expect(new Set(posts).size).toBe(12)
    expect(posts).toHaveLength(12)
  })

  test('waits longer each time, and never for ever', () => {
    expect([1, 2, 3, 4].map(backOff)).toEqual([500, 1000, 2000, 4000])
    expect(backOff(500)).toBe(5 * 60_000)
  })
})

describe('a node that names another one as its peer', () => {
  let peer: TestNode
  let node: TestNode
  beforeEach(async () => {
    peer = await runningNode()
    node = await runningNode({ LOCAL_CHAIN_URL: `${peer.url}/chain`, ASSAY_PEERS: peer.url })
  })
  afterEach(async () => {
    await node.end()
    await peer.end()
  })

  test('hands over what it admits, off-chain values included', async () => {
    const money = await faucetMoney(peer.url, publisher)
    const { script, offChainValues } = orThrow(
      eventBatchToken({
        issuer: publisher,
        streamId: 's',
        sourceId: 'roof',
        ndjson: utf8('{"celsius":7}\n'),
        as: 'off-chain',
      }),
    )
    const batch = await stockSpend(publisher, money, script)
    const beef = orThrow(readBeef(Uint8Array.from(batch.toBEEF())))
    if (offChainValues === undefined) throw new Error('the batch is not off chain')
    const admits = { [topic]: { outputsToAdmit: [0], coinsToRetain: [], coinsRemoved: [] } }
    expect(await node.overlay.submit({ beef, topics: [topic], offChainValues })).toEqual({
      ok: true,
      value: admits,
    })
    await until(async () => (await peer.overlay.raw(batch.id('hex'))) !== undefined)
    expect(await peer.overlay.submit({ beef, topics: [topic] })).toEqual({ ok: true, value: admits })
  })
})

async function minedOf({ chain }: OverlayBed, txid: string) {
  const status = (await chain.statusOf([txid])).get(txid)
  if (status?.kind !== 'mined') throw new Error(`${txid} is in no block`)
  return status
}

async function pending({ database }: OverlayBed): Promise<number> {
  const { rows } = await database.pool.query<{ n: number }>('select count(*)::int as n from outbox')
  return rows[0]?.n ?? -1
}
