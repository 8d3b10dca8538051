import { Transaction as StockTransaction } from '@bsv/sdk'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { writeBeef } from '../../../src/contract/beef.ts'
import { baseLookupServices } from '../../../src/contract/names.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { batchChain, mineAll, one, trimmed } from '../../support/batch-chains.ts'
import { findDisagreements } from '../../support/check-overlay.ts'
import { batchTransaction } from '../../support/event-batches.ts'
import { type OverlayBed, overlayBed } from '../../support/overlay-bed.ts'
import { party } from '../../support/pipeline.ts'
import { until } from '../../support/until.ts'

const publisher = party('publisher')

let bed: OverlayBed
beforeEach(async () => {
  bed = await overlayBed()
  await bed.overlay.start()
})
afterEach(async () => {
  expect(await findDisagreements(bed.database.pool)).toEqual([])
  expect(bed.reports.filter(({ what }) => what === 'onFollowFailure')).toEqual([])
  await bed.close()
})

describe('what is admitted', () => {
  test('reaches the network, and its block proof comes back', async () => {
    const chain = batchChain(publisher, one(await bed.fund(publisher, 1)), 3)
    const stopMining = bed.chain.startMiner({ intervalMs: 20 })
    await bed.overlay.submit(bed.submissionOf(chain[2] ?? one(chain), ...chain))
    await until(async () => (await provenCount()) === 4)
    await stopMining()
    for (const { txid } of chain) await expectStockVerifies(txid)
    expect((await bed.database.pool.query('select from outbox')).rowCount).toBe(0)
  })

  test('verifies again after three blocks were replaced', async () => {
    const chain = batchChain(publisher, one(await bed.fund(publisher, 1)), 3)
    // A block for each, so that the reorganisation takes all three proofs.
    for (const [i, transaction] of chain.entries()) {
      await bed.overlay.submit(bed.submissionOf(transaction, ...chain.slice(0, i)))
      await until(async () => (await bed.chain.statusOf([transaction.txid])).has(transaction.txid))
      await bed.mine()
      await until(async () => (await provenCount()) === i + 2)
    }
    const rootsBefore = await roots()
    await bed.chain.reorganise({ depth: 3 })
    await until(async () => (await provenCount()) === 4 && (await roots()).join() !== rootsBefore.join())
    await until(async () => (await Promise.all(chain.map(({ txid }) => stockVerifies(txid)))).every(Boolean))
    expect(bed.reports.some(({ what }) => what === 'onReorganisation')).toBe(true)
  })

  test('takes the proof that comes with a transaction which is here already', async () => {
    const other = bed.open()
    const chain = batchChain(publisher, one(await bed.fund(publisher, 1)), 1)
    await other.submit(bed.submissionOf(one(chain)))
    // No node follows the chain while it is mined, so that the proof can come from nowhere else.
    await bed.overlay.stop()
    const [mined] = await mineAll(bed, chain)
    if (mined === undefined) throw new Error('nothing was mined')
    expect(await provenCount()).toBe(1)
    await other.submit(trimmed([mined], 0, 0))
    expect(await provenCount()).toBe(2)
  })

  test('gives way, with all that descends from it, to what the network mines in its place', async () => {
    const coin = one(await bed.fund(publisher, 1))
    const ours = batchChain(publisher, coin, 3)
    const theirs = batchTransaction(publisher, [coin], { text: '{"theirs":1}\n' })
    await bed.overlay.submit(bed.submissionOf(ours[2] ?? one(ours), ...ours))
    expect((await bed.overlay.submit(bed.submissionOf(theirs))).ok).toBe(false)
    await until(async () => (await bed.chain.statusOf(ours.map(({ txid }) => txid))).size === 3)
    await bed.mine()
    await until(async () => (await provenCount()) === 4)

    await bed.chain.reorganise({ depth: 1, replaceWith: [theirs] })
    await until(async () => (await found()).join() === theirs.txid)
    expect(bed.reports.filter(({ what }) => what === 'onEvicted').flatMap(({ said }) => said[0])).toEqual(
      expect.arrayContaining(ours.map(({ txid }) => txid)),
    )
    await expectStockVerifies(theirs.txid)
  })

  test('goes where the network refuses it, with all that descends from it', async () => {
    const coin = one(await bed.fund(publisher, 1))
    const theirs = batchTransaction(publisher, [coin], { text: '{"theirs":1}\n' })
    // The network has heard of the other one, and the overlay has not.
    await bed.chain.broadcast([theirs])
    const ours = batchChain(publisher, coin, 3)
    await bed.overlay.submit(bed.submissionOf(ours[2] ?? one(ours), ...ours))
    await until(async () => (await found()).length === 0)
    await until(() => bed.reports.some(({ what }) => what === 'onEvicted'))
  })
})

async function provenCount(): Promise<number> {
  const { rows } = await bed.database.pool.query<{ n: number }>(
    'select count(*)::int as n from transactions where proof is not null',
  )
  return rows[0]?.n ?? -1
}

async function roots(): Promise<string[]> {
  const { rows } = await bed.database.pool.query<{ root: string }>(
    `select encode(proof_root, 'hex') as root from transactions where proof is not null order by txid`,
  )
  return rows.map(({ root }) => root)
}

async function found(): Promise<string[]> {
  const answer = orThrow(
    await bed.overlay.lookup(baseLookupServices.events, { publisher: publisher.identityKey }),
  )
  return answer.outputs.map(({ txid }) => txid)
}

async function expectStockVerifies(txid: string): Promise<void> {
  expect(await stockVerifies(txid)).toBe(true)
}

/** What a wallet does with an answer: the stock SDK, against the headers of the chain. */
async function stockVerifies(txid: string): Promise<boolean> {
  const answer = orThrow(await bed.overlay.lookup(baseLookupServices.events, { txid }))
  const output = answer.outputs[0]
  if (output === undefined) return false
  const transaction = StockTransaction.fromBEEF([...writeBeef(output.history)])
  const verdict = await transaction
    .verify({
      isValidRootForHeight: async (root, height) => (await bed.chain.rootAt(height)) === root,
      currentHeight: async () => (await bed.chain.tip()).height,
    })
    .catch(() => false)
  return verdict && transaction.id('hex') === txid
}
