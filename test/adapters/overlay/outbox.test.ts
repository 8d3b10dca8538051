import { LockingScript, P2PKH, PrivateKey, Transaction as StockTransaction } from '@bsv/sdk'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { broadcastHistory } from '../../../src/adapters/overlay/deliver.ts'
import type { HostedManager } from '../../../src/adapters/overlay/hosted.ts'
import { startOutbox } from '../../../src/adapters/overlay/outbox.ts'
import { readBeef } from '../../../src/contract/beef.ts'
import { eventBatchToken } from '../../../src/contract/event-batch.ts'
import { baseTopics } from '../../../src/contract/names.ts'
import { type Spend, signTransaction } from '../../../src/contract/spend.ts'
import { readTransaction, type Transaction } from '../../../src/contract/transaction.ts'
import { toHex, utf8 } from '../../../src/core/bytes.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { hostedTopics } from '../../../src/node/hosted-topics.ts'
import { backOff } from '../../../src/runtime/back-off.ts'
import { batchChain, one } from '../../support/batch-chains.ts'
import { findDisagreements } from '../../support/check-overlay.ts'
import { batchTransaction, offChainBatch } from '../../support/event-batches.ts'
import { type OverlayBed, overlayBed } from '../../support/overlay-bed.ts'
import { p2pkhSpend, party, payTo } from '../../support/pipeline.ts'
import { runningNode, type TestNode } from '../../support/running-node.ts'
import { faucetMoney, stockSpend } from '../../support/stock-wallet.ts'
import { until } from '../../support/until.ts'

const publisher = party('publisher')
const topic = baseTopics.ingest

describe('the outbox', () => {
  let bed: OverlayBed
  /** Started, on a chain that takes nothing before that is over. */
  const startedBefore = async (wait: (txids: readonly string[]) => Promise<void>) => {
    const overlay = bed.open({
      chain: {
        ...bed.chain,
        async broadcast(transactions) {
          await wait(transactions.map(({ txid }) => txid))
          return bed.chain.broadcast(transactions)
        },
      },
    })
    await overlay.start()
    return overlay
  }
  beforeEach(async () => {
    bed = await overlayBed()
  })
  afterEach(async () => {
    expect(await findDisagreements(bed.database.pool)).toEqual([])
    await bed.close()
  })

  test('tells a peer again until it has answered, and others meanwhile', async () => {
    const told: string[] = []
    let failures = 2
    const overlay = bed.open({
      peers: ['https://slow.example', 'https://quick.example'],
      async post(host) {
        if (host.includes('slow') && failures-- > 0) throw new Error('not now')
        told.push(host)
        return []
      },
    })
    await overlay.start()
    const chain = batchChain(publisher, one(await bed.fund(publisher, 1)), 1)
    await overlay.submit(bed.submissionOf(one(chain)))
    await until(async () => (await pending(bed)) === 0)
    expect(told).toEqual(['https://quick.example', 'https://slow.example'])
    expect(bed.reports.filter(({ what }) => what === 'onUndelivered')).toHaveLength(2)
  })

  test('tells the network of all that a transaction descends from, where it takes those one by one only', async () => {
    // One more than any network takes at once.
    const history = batchChain(publisher, one(await bed.fund(publisher, 1)), 501)
    let isFirst = true
    const spent = await broadcastHistory(history, {
      chain: {
        async broadcast(transactions) {
          if (!isFirst) return bed.chain.broadcast(transactions)
          isFirst = false
          return { kind: 'rejected', reason: 'orphan', detail: 'a parent is on its way', competing: [] }
        },
      },
      evict: () => Promise.reject(new Error('nothing is refused')),
      keepReplaced: () => Promise.reject(new Error('nothing is replaced')),
    })
    expect(new Set(spent)).toEqual(new Set([history.at(-2)?.txid]))
    const last = history.at(-1)?.txid ?? ''
    expect((await bed.chain.statusOf([last])).has(last)).toBe(true)
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
        post: async (_host, beef) => {
          posts.push(Buffer.from(beef).toString('hex'))
          return []
        },
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

  test('tells the network while a peer never answers', async () => {
    const { silence, end } = silent()
    const overlay = bed.open({ peers: ['https://silent.example'], post: () => silence.then(() => []) })
    await overlay.start()
    const batches = (await bed.fund(publisher, 40)).map(coin => one(batchChain(publisher, coin, 1)))
    for (const batch of batches) orThrow(await overlay.submit(bed.submissionOf(batch)))
    await until(async () => (await bed.chain.statusOf(batches.map(({ txid }) => txid))).size === 40)
    expect(await pending(bed)).toBeGreaterThanOrEqual(40)
    end()
  })

  test('tells the network of others while it takes long over one', async () => {
    const [slow, ...others] = (await bed.fund(publisher, 12)).map(coin => one(batchChain(publisher, coin, 1)))
    const { silence, end } = silent()
    const overlay = await startedBefore(txids =>
      txids.includes(slow?.txid ?? '') ? silence : Promise.resolve(),
    )
    for (const batch of [slow, ...others])
      if (batch !== undefined) orThrow(await overlay.submit(bed.submissionOf(batch)))
    await until(async () => (await bed.chain.statusOf(others.map(({ txid }) => txid))).size === 11)
    end()
    await until(async () => (await pending(bed)) === 0)
  })

  test('has what the network is being told of, until it is told', async () => {
    const batch = one(batchChain(publisher, one(await bed.fund(publisher, 1)), 1))
    const during: unknown[] = []
    const overlay = await startedBefore(async () => void during.push(...(await waiting(bed))))
    orThrow(await overlay.submit(bed.submissionOf(batch)))
    await until(async () => (await pending(bed)) === 0)
    // Nobody has taken it up: whoever wrote it tells it.
    expect(during).toEqual([{ target: 'network', attempts: 0, isDue: false }])
    expect((await bed.chain.statusOf([batch.txid])).has(batch.txid)).toBe(true)
  })

  test('has at once what there was no room to tell', async () => {
    const batches = (await bed.fund(publisher, 9)).map(coin => one(batchChain(publisher, coin, 1)))
    const { silence, end } = silent()
    const overlay = await startedBefore(() => silence)
    for (const batch of batches) orThrow(await overlay.submit(bed.submissionOf(batch)))
    const told = { target: 'network', attempts: 0, isDue: false }
    expect(await waiting(bed)).toEqual([...Array.from({ length: 8 }, () => told), { ...told, isDue: true }])
    end()
    await until(async () => (await pending(bed)) === 0)
    expect((await bed.chain.statusOf(batches.map(({ txid }) => txid))).size).toBe(9)
  })

  test('gives no place to what is new while something is due', async () => {
    const [due, ...others] = (await bed.fund(publisher, 9)).map(coin => one(batchChain(publisher, coin, 1)))
    if (due === undefined) throw new Error('there is one for each coin')
    const begun: string[] = []
    const releases: (() => void)[] = []
    const outbox = startOutbox({
      db: bed.database.pool,
      now: Date.now,
      async deliver({ txid }) {
        begun.push(txid)
        return []
      },
      broadcast: () => new Promise(resolve => releases.push(() => resolve([]))),
      isWanted: () => true,
      onFailure: (_, error) => {
        throw error
      },
      onFull: () => undefined,
    })
    for (const other of others) outbox.takePlace()?.([other])
    await until(() => releases.length === 8)
    orThrow(await bed.overlay.submit(bed.submissionOf(due)))
    outbox.wake()
    await new Promise(resolve => setImmediate(resolve))
    releases.shift()?.()
    while (begun.length === 0) {
      expect(outbox.takePlace()).toBe(undefined)
      await new Promise(resolve => setImmediate(resolve))
    }
    expect(begun).toEqual([due.txid])
    for (const release of releases) release()
    await outbox.stop()
  })

  test('tells the network of what it has mined by what is stored, and not by what was sent', async () => {
    const [parent, child] = batchChain(publisher, one(await bed.fund(publisher, 1)), 2)
    if (parent === undefined || child === undefined) throw new Error('the chain has two')
    orThrow(await bed.overlay.submit(bed.submissionOf(parent)))
    await bed.chain.broadcast([parent])
    await bed.mine()
    const { proof } = await minedOf(bed, parent.txid)
    await bed.overlay.takeProof(parent.txid, proof)
    const told: string[][] = []
    const overlay = await startedBefore(async txids => void told.push([...txids]))
    orThrow(await overlay.submit(bed.submissionOf(child, parent)))
    await until(async () => (await pending(bed)) === 0)
    expect(told).toEqual([[child.txid]])
  })

  test('tells the network later of what could not be told at once', async () => {
    const batch = one(batchChain(publisher, one(await bed.fund(publisher, 1)), 1))
    let isAway = true
    const overlay = await startedBefore(async () => {
      if (isAway) throw new Error('nobody is there')
    })
    orThrow(await overlay.submit(bed.submissionOf(batch)))
    await until(() => bed.reports.some(({ what }) => what === 'onUndelivered'))
    expect(await pending(bed)).toBe(1)
    isAway = false
    await until(async () => (await pending(bed)) === 0)
    expect((await bed.chain.statusOf([batch.txid])).has(batch.txid)).toBe(true)
  })

  test('tells of a transaction once it is admitted, though it was stored before as an ancestor', async () => {
    const { overlay, told } = await nodeWithPeer()
    const coin = one(await bed.fund(publisher, 1))
    const change = [payTo(publisher, 900)]
    const { transaction: parent, offChainValues } = offChainBatch(publisher, [coin], '{"n":1}\n', change)
    const child = batchTransaction(publisher, [p2pkhSpend(parent, 1, publisher)], { text: '{"n":2}\n' })
    orThrow(await overlay.submit(bed.submissionOf(child, parent)))
    await until(async () => (await pending(bed)) === 0)
    expect(told).toEqual([{ txid: child.txid, topics: [topic], offChainValues: undefined }])

    orThrow(await overlay.submit({ ...bed.submissionOf(parent), offChainValues }))
    await until(async () => (await pending(bed)) === 0)
    expect(told.slice(1)).toMatchObject([{ txid: parent.txid, topics: [topic] }])
    expect(told[1]?.offChainValues?.length).toBe(offChainValues.length)
  })

  test('tells of a second topic that admits what the first has admitted', async () => {
    const { overlay, told } = await nodeWithPeer()
    const batch = one(batchChain(publisher, one(await bed.fund(publisher, 1)), 1))
    const submission = bed.submissionOf(batch)
    orThrow(await overlay.submit(submission))
    await until(async () => (await pending(bed)) === 0)
    orThrow(await overlay.submit({ ...submission, topics: ['tm_any'] }))
    await until(async () => (await pending(bed)) === 0)
    expect(told.map(({ txid, topics }) => [txid, topics])).toEqual([
      [batch.txid, [topic]],
      [batch.txid, ['tm_any']],
    ])
  })

  test('tells the network of more unproven ancestors than it takes at once', async () => {
    await bed.overlay.start()
    let coin = one(await bed.fund(publisher, 1, 100_000))
    const plain: Transaction[] = []
    while (plain.length < 1100) {
      const next = signTransaction([coin], [payTo(publisher, coin.spent.satoshis - 1)])
      plain.push(next)
      coin = p2pkhSpend(next, 0, publisher)
    }
    const last = batchTransaction(publisher, [coin], { text: '{"n":1}\n' })
    orThrow(await bed.overlay.submit(bed.submissionOf(last, ...plain)))
    await until(async () => (await bed.chain.statusOf([last.txid])).has(last.txid))
    await until(async () => (await pending(bed)) === 0)
    expect(bed.reports).toEqual([])
  })

  test('tells the network again of what has a lock time that is to come, and takes nothing back', async () => {
    const { overlay } = await nodeWithPeer()
    const coin = one(await bed.fund(publisher, 1))
    const { height } = await bed.chain.tip()
    const locked = await lockedUntil(height + 2, coin)
    orThrow(await overlay.submit({ ...bed.submissionOf(locked), topics: ['tm_any'] }))
    await until(() => bed.reports.some(({ what }) => what === 'onUndelivered'))
    expect(await overlay.raw(locked.txid)).toBeDefined()
    await bed.fund(publisher, 1)
    await bed.fund(publisher, 1)
    await until(async () => (await bed.chain.statusOf([locked.txid])).has(locked.txid))
    expect(bed.reports.filter(({ what }) => what === 'onEvicted')).toEqual([])
  })

  /** What a peer is told, and a second topic that admits every output 0. */
  async function nodeWithPeer() {
    const told: { txid: string; topics: readonly string[]; offChainValues: Uint8Array | undefined }[] = []
    const hosted = hostedTopics(bed.database)
    const overlay = bed.open({
      hosted: { ...hosted, managers: { ...hosted.managers, tm_any: admitsAnything } },
      peers: ['https://peer.example'],
      async post(_host, beef, topics, offChainValues) {
        told.push({ txid: orThrow(readBeef(beef)).subject.txid, topics, offChainValues })
        return []
      },
    })
    await overlay.start()
    return { overlay, told }
  }

  /** By the stock SDK, as our own transactions are always final. */
  async function lockedUntil(lockTime: number, { txid, vout, privateKey, spent }: Spend) {
    const proven = bed.beefOf(signTransaction([{ txid, vout, spent, privateKey }], [payTo(publisher, 1)]))
    const source = proven.byTxid.get(txid)
    if (source === undefined) throw new Error(`${txid} is not there`)
    const transaction = new StockTransaction()
    transaction.addInput({
      sourceTransaction: StockTransaction.fromBinary([...source.raw]),
      sourceOutputIndex: vout,
      unlockingScriptTemplate: new P2PKH().unlock(PrivateKey.fromHex(toHex(privateKey))),
      sequence: 0,
    })
    transaction.addOutput({ satoshis: 900, lockingScript: LockingScript.fromBinary([0x51]) })
    transaction.lockTime = lockTime
    await transaction.sign()
    return orThrow(readTransaction(Uint8Array.from(transaction.toBinary())))
  }

  test('waits longer each time, and never for ever', () => {
    expect([1, 2, 3, 4].map(failures => backOff(failures))).toEqual([500, 1000, 2000, 4000])
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

function silent(): { readonly silence: Promise<void>; end(): void } {
  let end = () => {}
  const silence = new Promise<void>(resolve => {
    end = resolve
  })
  return { silence, end: () => end() }
}

async function waiting(bed: OverlayBed): Promise<unknown[]> {
  const { rows } = await bed.database.pool.query(
    'select target, attempts, due_ms <= $1 as "isDue" from outbox order by id',
    [Date.now()],
  )
  return rows
}

async function pending({ database }: OverlayBed): Promise<number> {
  const { rows } = await database.pool.query<{ n: number }>('select count(*)::int as n from outbox')
  return rows[0]?.n ?? -1
}

const admitsAnything: HostedManager = {
  identifyAdmissibleOutputs: async () => ({ outputsToAdmit: [0], coinsToRetain: [] }),
  getDocumentation: async () => '',
  getMetaData: async () => ({ name: '', shortDescription: '' }),
}
