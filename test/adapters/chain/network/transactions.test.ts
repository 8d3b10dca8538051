import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { NetworkChain } from '../../../../src/adapters/chain/network/network-chain.ts'
import { writeBump } from '../../../../src/contract/bump.ts'
import { p2pkhLock } from '../../../../src/contract/script.ts'
import { signTransaction } from '../../../../src/contract/spend.ts'
import type { Transaction } from '../../../../src/contract/transaction.ts'
import { buildTransaction, nowhere } from '../../../../src/contract/transaction.ts'
import { toHex, utf8 } from '../../../../src/core/bytes.ts'
import { party } from '../../../support/pipeline.ts'
import { until } from '../../../support/until.ts'
import { type NetworkBed, networkBed, type SharedDatabase, sharedDatabase } from './network-bed.ts'

const owner = party('owner')
const rival = 'ab'.repeat(32)

let shared: SharedDatabase
beforeAll(async () => {
  shared = await sharedDatabase()
})
afterAll(() => shared.drop())

let bed: NetworkBed
let chain: NetworkChain
beforeEach(async () => {
  bed = await networkBed(shared)
  chain = await bed.open()
})
afterEach(() => bed.end())

describe('a transaction that is broadcast', () => {
  test('is accepted once the network has seen it', async () => {
    expect(await chain.broadcast([pay(coin())])).toEqual({ kind: 'accepted' })
    expect(bed.arc.headers()).toMatchObject({ 'x-waitfor': 'SEEN_ON_NETWORK', 'x-maxtimeout': '5' })
    expect(bed.arc.headers()).not.toHaveProperty('x-callbackurl')
  })

  test('goes with what it spends, where that is known, and as it is where it is not', async () => {
    const money = coin()
    const first = pay(money)
    const second = pay(first)
    await chain.broadcast([first, second])
    bed.stored.set(money.txid, money)
    await chain.broadcast([first])
    expect(bed.arc.submitted).toEqual([
      { txid: first.txid, form: 'raw' },
      { txid: second.txid, form: 'extended' },
      { txid: first.txid, form: 'extended' },
    ])
  })

  test.each([
    'UNKNOWN',
    'QUEUED',
    'RECEIVED',
    'STORED',
    'ANNOUNCED_TO_NETWORK',
    'REQUESTED_BY_NETWORK',
    'SENT_TO_NETWORK',
    'ACCEPTED_BY_NETWORK',
    'MINED_IN_STALE_BLOCK',
  ])('has no word of the network while ARC calls it %s, and is taken later', async txStatus => {
    const transaction = pay(coin())
    bed.arc.says(transaction.txid, { txStatus })
    await expect(chain.broadcast([transaction])).rejects.toThrow(
      `the network has not said yet that it has seen ${transaction.txid} (ARC has it as ${txStatus})`,
    )
    bed.arc.says(transaction.txid, undefined)
    expect(await chain.broadcast([transaction])).toEqual({ kind: 'accepted' })
  })

  test('is refused by 200 with REJECTED', async () => {
    const transaction = pay(coin())
    bed.arc.says(transaction.txid, { txStatus: 'REJECTED', extraInfo: 'dust' })
    expect(await chain.broadcast([transaction])).toEqual({
      kind: 'rejected',
      reason: 'invalid',
      detail: 'ARC: REJECTED, dust',
      competing: [],
    })
  })

  test('is refused where it has a rival, who is named', async () => {
    const transaction = pay(coin())
    bed.arc.says(transaction.txid, { txStatus: 'DOUBLE_SPEND_ATTEMPTED', competingTxs: [rival] })
    expect(await chain.broadcast([transaction])).toMatchObject({
      reason: 'double-spend',
      competing: [rival],
    })
  })

  test('is an orphan until its parents have come', async () => {
    const transaction = pay(coin())
    bed.arc.says(transaction.txid, { txStatus: 'SEEN_IN_ORPHAN_MEMPOOL' })
    expect(await chain.broadcast([transaction])).toMatchObject({ kind: 'rejected', reason: 'orphan' })
    bed.arc.says(transaction.txid, { txStatus: 'SEEN_ON_NETWORK' })
    expect(await chain.broadcast([transaction])).toEqual({ kind: 'accepted' })
  })

  test('is refused for the one among its ancestors that ARC finds fault with, whatever the order', async () => {
    const parent = pay(coin())
    const child = pay(parent)
    bed.arc.says(parent.txid, { status: 465, title: 'Fee too low', detail: 'Fees are insufficient' })
    bed.arc.says(child.txid, { txStatus: 'SEEN_IN_ORPHAN_MEMPOOL' })
    expect(await chain.broadcast([parent, child])).toMatchObject({
      reason: 'invalid',
      detail: 'ARC: 465, Fee too low, Fees are insufficient',
    })
  })

  test.each([400, 401, 403, 404, 409, 422, 429, 500, 503])(
    'has no word where ARC answers %i',
    async status => {
      bed.arc.instead = () => ({ status, body: '{"title":"no"}' })
      await expect(chain.broadcast([pay(coin())])).rejects.toThrow(`answers ${status}`)
    },
  )

  test('is refused by an error of the whole request that names no other', async () => {
    bed.arc.instead = () => ({ status: 463, body: '{"status":463,"title":"Malformed transaction"}' })
    expect(await chain.broadcast([pay(coin())])).toMatchObject({ reason: 'invalid' })
  })

  test.each([
    ['hangs up', undefined, /.+/],
    ['answers with a page', { status: 200, body: '<html>' }, /not JSON/],
    ['answers as another service', { status: 200, body: '{"hello":1}' }, /does not answer as published/],
    ['forgets it', { status: 200, body: '[]' }, /does not mention it/],
    ['is moved', { status: 302, body: '' }, /redirect|answers 302/],
  ])('has no word where ARC %s', async (_, reply, complaint) => {
    const server = bed.arc
    if (reply === undefined) await server.stop()
    else server.instead = () => reply
    await expect(chain.broadcast([pay(coin())])).rejects.toThrow(complaint)
  })
})

describe('what ARC knows of a transaction', () => {
  test('is told with a proof that the headers bear out, and nothing of what it does not know', async () => {
    const [seen, mined, unknown] = [pay(coin('a')), pay(coin('b')), pay(coin('c'))] as const
    await chain.broadcast([seen])
    await chain.broadcast([mined])
    const block = bed.network.mine([mined])
    await until(async () => (await chain.tip()).hash === block.hash)
    expect(await chain.statusOf([seen, mined, unknown].map(({ txid }) => txid))).toEqual(
      new Map<string, unknown>([
        [seen.txid, { kind: 'seen' }],
        [mined.txid, { kind: 'mined', proof: bed.network.proofOf(mined.txid, block) }],
      ]),
    )
  })

  test('is not mined by a path that the headers do not bear out', async () => {
    const transaction = pay(coin())
    await chain.broadcast([transaction])
    const block = bed.network.mine([transaction])
    await until(async () => (await chain.tip()).hash === block.hash)
    const proof = bed.network.proofOf(transaction.txid, block)
    for (const merklePath of [
      toHex(writeBump({ ...proof, height: 0 })),
      toHex(writeBump({ ...proof, height: 1000 })),
      'zz',
      '',
    ]) {
      bed.arc.says(transaction.txid, { merklePath })
      expect(await chain.statusOf([transaction.txid])).toEqual(
        new Map([[transaction.txid, { kind: 'seen' }]]),
      )
    }
  })

  test.each([
    ['REJECTED', 'refused'],
    ['DOUBLE_SPEND_ATTEMPTED', 'seen'],
    ['SEEN_IN_ORPHAN_MEMPOOL', 'seen'],
    ['MINED_IN_STALE_BLOCK', 'seen'],
    ['STORED', 'seen'],
  ])('%s: %s', async (txStatus, kind) => {
    const transaction = pay(coin())
    await chain.broadcast([transaction])
    bed.arc.says(transaction.txid, { txStatus })
    expect((await chain.statusOf([transaction.txid])).get(transaction.txid)).toMatchObject({ kind })
  })

  test('is no word where it does not answer', async () => {
    bed.arc.instead = () => ({ status: 503, body: '' })
    await expect(chain.statusOf([rival])).rejects.toThrow('answers 503')
  })

  test('is asked for a few at a time', async () => {
    let underWay = 0
    let most = 0
    const arc = {
      name: 'one that counts',
      submit: async () => [],
      async statusOf() {
        underWay += 1
        most = Math.max(most, underWay)
        await new Promise(resolve => setImmediate(resolve))
        underWay -= 1
        return undefined
      },
    }
    const counted = await bed.open({ arc })
    const txids = Array.from({ length: 100 }, (_, i) => i.toString(16).padStart(64, '0'))
    expect((await counted.statusOf(txids)).size).toBe(0)
    expect(most).toBe(8)
  })
})

function coin(name = 'coin'): Transaction {
  return buildTransaction(
    [{ ...nowhere, script: utf8(name) }],
    [{ satoshis: 1000, script: p2pkhLock(owner.publicKey) }],
  )
}

function pay(from: Transaction): Transaction {
  const [spent] = from.outputs
  if (spent === undefined) throw new Error('there is an output to spend')
  return signTransaction(
    [{ txid: from.txid, vout: 0, spent, privateKey: owner.privateKey }],
    [{ satoshis: spent.satoshis - 1, script: p2pkhLock(owner.publicKey) }],
  )
}
