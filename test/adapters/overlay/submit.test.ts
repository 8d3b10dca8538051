import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventBatchToken } from '../../../src/contract/event-batch.ts'
import { baseLookupServices, baseTopics } from '../../../src/contract/names.ts'
import { p2pkhLock } from '../../../src/contract/script.ts'
import { signTransaction } from '../../../src/contract/spend.ts'
import type { Transaction } from '../../../src/contract/transaction.ts'
import { utf8 } from '../../../src/core/bytes.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { batchChain, type Mined, mineAll, one, trimmed } from '../../support/batch-chains.ts'
import { findDisagreements } from '../../support/check-overlay.ts'
import { batchTransaction, spendsOf } from '../../support/event-batches.ts'
import { type OverlayBed, overlayBed } from '../../support/overlay-bed.ts'
import { party } from '../../support/pipeline.ts'

const publisher = party('publisher')
const topic = baseTopics.ingest
const admitsFirst = { [topic]: { outputsToAdmit: [0], coinsToRetain: [], coinsRemoved: [] } }

let bed: OverlayBed
beforeAll(async () => {
  bed = await overlayBed()
})
afterAll(async () => {
  expect(await findDisagreements(bed.database.pool)).toEqual([])
  await bed.close()
})

describe('a submitted batch', () => {
  test('is admitted, found, and answered alike when it comes again', async () => {
    const transaction = await freshBatch('{"celsius":21}\n')
    const submission = bed.submissionOf(transaction)
    expect(await bed.overlay.submit(submission)).toEqual({ ok: true, value: admitsFirst })
    expect(await placesOf({ txid: transaction.txid })).toEqual([{ txid: transaction.txid, vout: 0 }])

    expect(await bed.overlay.submit(submission)).toEqual({ ok: true, value: admitsFirst })
    const anotherNode = bed.open()
    expect(await anotherNode.submit(submission)).toEqual({ ok: true, value: admitsFirst })
  })

  test('is admitted once when many nodes and clients submit it at the same time', async () => {
    const transaction = await freshBatch('{"celsius":22}\n')
    const nodes = [bed.overlay, bed.open(), bed.open()]
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) => nodes[i % nodes.length]?.submit(bed.submissionOf(transaction))),
    )
    expect(answers).toEqual(answers.map(() => ({ ok: true, value: admitsFirst })))
    expect(await countOf('outputs', transaction)).toBe(1)
    expect(await countOf('applied', transaction)).toBe(1)
    expect(await countOf('gitdata_events', transaction)).toBe(1)
  })

  test('is not recorded where nothing of it is admitted, and leaves nothing behind', async () => {
    const coin = one(await bed.fund(publisher, 1))
    const transaction = signTransaction([coin], [{ satoshis: 900, script: p2pkhLock(publisher.publicKey) }])
    const nothing = { [topic]: { outputsToAdmit: [], coinsToRetain: [], coinsRemoved: [] } }
    expect(await bed.overlay.submit(bed.submissionOf(transaction))).toEqual({ ok: true, value: nothing })
    expect(await countOf('transactions', transaction)).toBe(0)
  })

  test('is answered as before by a node that has never seen it, also when it comes without what it was admitted with', async () => {
    const coin = one(await bed.fund(publisher, 1))
    const { script, offChainValues } = orThrow(
      eventBatchToken({
        issuer: publisher,
        streamId: 's',
        sourceId: 'roof',
        ndjson: utf8('{"celsius":7}\n'),
        as: 'off-chain',
      }),
    )
    const transaction = signTransaction([coin], [{ satoshis: 1, script }])
    const submission = bed.submissionOf(transaction)
    if (offChainValues === undefined) throw new Error('the batch is not off chain')
    expect(await bed.overlay.submit({ ...submission, offChainValues })).toEqual({
      ok: true,
      value: admitsFirst,
    })
    const another = bed.open()
    // It has looked at the database before, so that it knows what time it is there.
    await another.submit(bed.submissionOf(await freshBatch('{"celsius":8}\n')))
    expect(await another.submit(submission)).toEqual({ ok: true, value: admitsFirst })
  })

  test('brings its ancestors with it, and they are judged first', async () => {
    const chain = batchChain(publisher, one(await bed.fund(publisher, 1)), 4)
    const last = chain.at(-1)
    if (last === undefined) throw new Error('no chain')
    const answer = await bed.overlay.submit(bed.submissionOf(last, ...chain))
    expect(answer).toEqual({
      ok: true,
      value: { [topic]: { outputsToAdmit: [0], coinsToRetain: [0], coinsRemoved: [] } },
    })
    expect(await stateOf(chain)).toEqual(inOrder(chain))
  })
})

describe('ten transactions that depend on one another', () => {
  test('end in the same admitted set in whatever order they come, with whatever part of their history', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray([...Array(10).keys()], { minLength: 10, maxLength: 10 }),
        fc.array(fc.nat(9), { minLength: 10, maxLength: 10 }),
        async (order, depths) => {
          const chain = await minedChain()
          for (const place of order) {
            // Cut off behind some ancestor, which a block proves; depth 0 is the transaction alone, proven itself.
            const from = Math.max(0, place - (depths[place] ?? 0))
            const answer = await bed.overlay.submit(trimmed(chain, from, place))
            expect(answer.ok).toBe(true)
          }
          expect(await stateOf(chain)).toEqual(inOrder(chain))
        },
      ),
      { numRuns: 6 },
    )
  })

  test('do so also when nodes take them in side by side', async () => {
    const chain = await minedChain()
    const nodes = [bed.overlay, bed.open()]
    const answers = await Promise.all(
      chain.flatMap((_, place) =>
        nodes.map(node => node.submit(trimmed(chain, place % 3, Math.max(place, place % 3)))),
      ),
    )
    expect(answers.every(({ ok }) => ok)).toBe(true)
    for (const place of chain.keys()) await bed.overlay.submit(trimmed(chain, 0, place))
    expect(await stateOf(chain)).toEqual(inOrder(chain))
  })
})

describe('a double spend', () => {
  test('is refused with both names, and kept as evidence', async () => {
    const coin = one(await bed.fund(publisher, 1))
    const first = batchTransaction(publisher, [coin], { text: '{"celsius":1}\n' })
    const second = batchTransaction(publisher, [coin], { text: '{"celsius":2}\n' })
    await bed.overlay.submit(bed.submissionOf(first))
    const answer = await bed.overlay.submit(bed.submissionOf(second))
    expect(answer).toMatchObject({
      ok: false,
      fault: { code: 'double-spend', detail: expect.stringContaining(first.txid) },
    })
    expect(await countOf('transactions', second)).toBe(0)
    expect(await countOf('double_spends', second)).toBe(1)
    expect(bed.reports.at(-1)).toMatchObject({ what: 'onDoubleSpend', said: [{ against: first.txid }, true] })
  })

  test('has one winner when both come at once, on several nodes', async () => {
    for (let round = 0; round < 5; round++) {
      const coin = one(await bed.fund(publisher, 1))
      const rivals = [1, 2, 3].map(n =>
        batchTransaction(publisher, [coin], { text: `{"rival":${round}${n}}\n` }),
      )
      const nodes = [bed.overlay, bed.open()]
      const answers = await Promise.all(
        rivals.map((rival, i) => nodes[i % 2]?.submit(bed.submissionOf(rival))),
      )
      expect(answers.filter(answer => answer?.ok)).toHaveLength(1)
      const stored = await Promise.all(rivals.map(rival => countOf('transactions', rival)))
      expect(stored.reduce((sum, n) => sum + n)).toBe(1)
    }
  })

  test('is kept so many times of one key and no more', async () => {
    const greedy = party('greedy')
    const coin = one(await bed.fund(greedy, 1))
    await bed.overlay.submit(bed.submissionOf(batchTransaction(greedy, [coin], { text: '{"first":1}\n' })))
    const kept: unknown[] = []
    for (let n = 0; n < 18; n++) {
      const again = batchTransaction(greedy, [coin], { text: `{"again":${n}}\n` })
      expect((await bed.overlay.submit(bed.submissionOf(again))).ok).toBe(false)
      kept.push(bed.reports.at(-1)?.said[1])
    }
    expect(kept).toEqual(Array.from({ length: 18 }, (_, n) => n < 16))
  })

  test('hidden among the ancestors is refused too', async () => {
    const coin = one(await bed.fund(publisher, 1))
    const ours = batchTransaction(publisher, [coin], { text: '{"ours":1}\n' })
    const theirs = batchTransaction(publisher, [coin], { text: '{"theirs":1}\n' })
    const child = batchTransaction(publisher, spendsOf(publisher, theirs, '{"theirs":1}\n'), {
      text: '{"child":1}\n',
    })
    await bed.overlay.submit(bed.submissionOf(ours))
    const answer = await bed.overlay.submit(bed.submissionOf(child, theirs))
    expect(answer).toMatchObject({ ok: false, fault: { code: 'double-spend' } })
    expect(await countOf('transactions', child)).toBe(0)
  })
})

async function freshBatch(text: string): Promise<Transaction> {
  const coin = one(await bed.fund(publisher, 1))
  return batchTransaction(publisher, [coin], { text })
}

async function minedChain(): Promise<Mined[]> {
  return mineAll(bed, batchChain(publisher, one(await bed.fund(publisher, 1)), 10))
}

type State = { outputs: string[]; answers: string[]; spent: string[] }

async function stateOf(chain: readonly (Transaction | Mined)[]): Promise<State> {
  const txids = chain.map(each => ('transaction' in each ? each.transaction.txid : each.txid))
  const list = async (sql: string) =>
    (await bed.database.pool.query<{ said: string }>(sql, [txids.map(txid => `\\x${txid}`)])).rows.map(
      ({ said }) => said.replace(/[0-9a-f]{64}/g, txid => String(txids.indexOf(txid))),
    )
  return {
    outputs: (
      await list(
        `select encode(txid, 'hex') || '.' || vout as said from outputs where txid = any ($1::bytea[])`,
      )
    ).sort(),
    answers: (
      await list(
        `select concat_ws(' ', encode(txid, 'hex'), admitted, retained, removed) as said from applied where txid = any ($1::bytea[])`,
      )
    ).sort(),
    spent: (
      await list(
        `select concat_ws(' ', encode(txid, 'hex'), encode(spent_by, 'hex')) as said from gitdata_events where txid = any ($1::bytea[])`,
      )
    ).sort(),
  }
}

function inOrder(chain: readonly unknown[]): State {
  const last = chain.length - 1
  return {
    outputs: chain.map((_, n) => `${n}.0`),
    answers: chain.map((_, n) => `${n} {0} ${n === 0 ? '{}' : '{0}'} {}`),
    spent: chain.map((_, n) => (n === last ? `${n}` : `${n} ${n + 1}`)),
  }
}

async function placesOf(query: object) {
  const found = orThrow(await bed.overlay.lookup(baseLookupServices.events, query))
  return found.outputs.map(({ txid, vout }) => ({ txid, vout }))
}

async function countOf(table: string, { txid }: Transaction): Promise<number> {
  const { rows } = await bed.database.pool.query<{ n: number }>(
    `select count(*)::int as n from ${table} where txid = decode($1, 'hex')`,
    [txid],
  )
  return rows[0]?.n ?? -1
}
