import { Transaction as StockTransaction } from '@bsv/sdk'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { HostedManager } from '../../../src/adapters/overlay/hosted.ts'
import type { Submission } from '../../../src/adapters/overlay/submission.ts'
import { type BeefTransaction, readBeef, writeBeef } from '../../../src/contract/beef.ts'
import { baseTopics } from '../../../src/contract/names.ts'
import { p2pkhLock } from '../../../src/contract/script.ts'
import { signTransaction } from '../../../src/contract/spend.ts'
import type { Transaction } from '../../../src/contract/transaction.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { hostedTopics } from '../../../src/node/hosted-topics.ts'
import { batchChain, type Mined, mineAll, one, textAt, trimmed } from '../../support/batch-chains.ts'
import { findDisagreements } from '../../support/check-overlay.ts'
import { batchTransaction, offChainBatch, spendsOf } from '../../support/event-batches.ts'
import { type OverlayBed, overlayBed } from '../../support/overlay-bed.ts'
import { output, p2pkhSpend, party, payTo } from '../../support/pipeline.ts'
import { until } from '../../support/until.ts'

const publisher = party('publisher')
const topic = baseTopics.ingest

let bed: OverlayBed
beforeEach(async () => {
  bed = await overlayBed()
})
afterEach(async () => {
  expect(await findDisagreements(bed.database.pool)).toEqual([])
  await bed.close()
})

describe('an ancestor that comes after its child', () => {
  test('leaves an off-chain child what it was admitted with', async () => {
    const parent = batchTransaction(publisher, await bed.fund(publisher, 1), { text: textAt(0) })
    const child = offChainBatch(publisher, spendsOf(publisher, parent, textAt(0)), textAt(1))
    const chain = await mineAll(bed, [parent, child.transaction])
    const { offChainValues } = child
    const withValues = { ...trimmed(chain, 1, 1), offChainValues }
    expect(await bed.overlay.submit(withValues)).toEqual(admits({ retained: [] }))

    expect(await bed.overlay.submit(trimmed(chain, 0, 0))).toEqual(admits({ retained: [] }))
    expect(await placesOf([parent, child.transaction], topic)).toEqual(['0.0', '1.0'])
    expect(await bed.overlay.submit(withValues)).toEqual(admits({ retained: [0] }))
    expect(await bed.overlay.submit(trimmed(chain, 1, 1))).toEqual(admits({ retained: [0] }))
    expect(await bed.open().submit(trimmed(chain, 0, 1))).toEqual(admits({ retained: [0] }))
  })

  test('is brought in by the full history of a child that came without it', async () => {
    const chain = await mineAll(bed, batchChain(publisher, one(await bed.fund(publisher, 1)), 2))
    const transactions = chain.map(({ transaction }) => transaction)
    expect(await bed.overlay.submit(trimmed(chain, 1, 1))).toEqual(admits({ retained: [] }))
    expect(await placesOf(transactions, topic)).toEqual(['1.0'])
    expect(await bed.overlay.submit(trimmed(chain, 0, 1))).toEqual(admits({ retained: [0] }))
    expect(await placesOf(transactions, topic)).toEqual(['0.0', '1.0'])
  })

  test('finds the other coin of its child there, though the topic has let go of it', async () => {
    const overlay = bed.open({ hosted: { managers: { tm_all: needsAllItsCoins }, services: {} } })
    const runs = []
    for (const late of [false, true]) {
      const [toQ, toP] = await bed.fund(publisher, 2)
      if (toQ === undefined || toP === undefined) throw new Error('too few coins')
      const q = signTransaction([toQ], [marked(ROOT), payTo(publisher, 50)])
      const p = signTransaction([toP], [marked(ROOT), payTo(publisher, 60)])
      const c = signTransaction(
        [p2pkhSpend(q, 1, publisher), p2pkhSpend(p, 1, publisher)],
        [marked(CHILD), payTo(publisher, 40)],
      )
      const d = signTransaction([p2pkhSpend(c, 1, publisher)], [marked(CHILD), payTo(publisher, 30)])
      const all = [q, p, c, d]
      const mined = await mineAll(bed, all)
      const proven = mined.map(withProof)
      if (late) {
        orThrow(await overlay.submit(beefFor('tm_all', proven.slice(0, 1))))
        const early = orThrow(await overlay.submit(beefFor('tm_all', proven.slice(2, 3))))
        expect(early).toEqual({ tm_all: { outputsToAdmit: [], coinsToRetain: [], coinsRemoved: [0] } })
      }
      const answer = orThrow(await overlay.submit(beefFor('tm_all', [...proven.slice(0, 2), c, d])))
      runs.push({ answer, places: await placesOf(all, 'tm_all') })
    }
    expect(runs[0]?.places).toEqual(['3.1'])
    expect(runs[1]).toEqual(runs[0])
  })

  test('is followed by a grandchild of the same BEEF as if all had come in order', async () => {
    const overlay = bed.open({ hosted: { managers: { tm_more: admitsMoreOfHeldCoins }, services: {} } })
    const runs = []
    for (const late of [false, true]) {
      const p = signTransaction(await bed.fund(publisher, 1), [marked(ROOT), payTo(publisher, 100)])
      const c = signTransaction([p2pkhSpend(p, 1, publisher)], [marked(CHILD), payTo(publisher, 80)])
      const d = signTransaction([p2pkhSpend(c, 1, publisher)], [marked(GRANDCHILD), payTo(publisher, 60)])
      const all = [p, c, d]
      const proven = (await mineAll(bed, all)).map(withProof)
      if (late) orThrow(await overlay.submit(beefFor('tm_more', proven.slice(1, 2))))
      const answer = orThrow(await overlay.submit(beefFor('tm_more', [...proven.slice(0, 1), c, d])))
      runs.push({ answer, places: await placesOf(all, 'tm_more') })
    }
    expect(runs[0]?.places).toEqual(['0.1', '1.0', '1.1', '2.1'])
    expect(runs[1]).toEqual(runs[0])
  })
})

describe('a mined double spend that cannot be admitted', () => {
  test('is reported and forgotten, and keeps no later transaction from its proof', async () => {
    const coin = one(await bed.fund(publisher, 1, 100_000))
    const ours = batchTransaction(publisher, [coin], { text: textAt(0) })
    const wide = Array.from({ length: 10_001 }, () => output(Uint8Array.of(0x51)))
    const theirs = signTransaction([coin], [one(ours.outputs), ...wide])
    await bed.chain.broadcast([theirs])
    expect((await bed.overlay.submit(bed.submissionOf(ours))).ok).toBe(true)
    expect((await bed.overlay.submit(bed.submissionOf(theirs))).ok).toBe(false)
    expect(await keptDoubleSpends()).toContain(theirs.txid)
    await bed.mine()
    await bed.overlay.start()
    await until(() => bed.reports.some(({ what }) => what === 'onFollowFailure'))
    await until(async () => !(await keptDoubleSpends()).includes(theirs.txid))

    const later = batchTransaction(publisher, await bed.fund(publisher, 1), { text: textAt(1) })
    orThrow(await bed.overlay.submit(bed.submissionOf(later)))
    await until(async () => (await bed.chain.statusOf([later.txid])).has(later.txid))
    await bed.mine()
    await until(async () => (await rootsOf([later])).length === 1)
    expect(bed.reports.filter(({ what }) => what === 'onFollowFailure')).toHaveLength(1)
  })
})

describe('a proof', () => {
  test('written just after the reorganisation that killed it goes with the next block', async () => {
    const [first, second] = await bed.fund(publisher, 2)
    if (first === undefined || second === undefined) throw new Error('too few coins')
    const batches = [first, second].map((coin, n) => batchTransaction(publisher, [coin], { text: textAt(n) }))
    const [early, slow] = await mineAll(bed, batches)
    if (early === undefined || slow === undefined) throw new Error('nothing was mined')
    orThrow(await bed.overlay.submit(trimmed([early], 0, 0)))
    await bed.overlay.start()

    const gate = openable()
    const asked = openable()
    const held = bed.open({
      hosted: heldUp(async () => {
        asked.open()
        await gate.opened
      }),
    })
    const submitting = held.submit(trimmed([slow], 0, 0))
    await asked.opened
    await bed.chain.reorganise({ depth: 1 })
    await until(() => bed.reports.some(({ what }) => what === 'onReorganisation'))
    gate.open()
    expect(await submitting).toEqual(admits({ retained: [] }))
    expect(await rootsOf([slow.transaction])).toEqual([slow.proof.root])

    // A block comes where there is something to mine.
    await bed.fund(publisher, 1)
    await until(async () => {
      const roots = await rootsOf(batches)
      return roots.length === 2 && !roots.includes(slow.proof.root)
    })
    const statuses = await bed.chain.statusOf(batches.map(({ txid }) => txid))
    const inChain = [...statuses.values()].map(status => status.kind === 'mined' && status.proof.root)
    expect(new Set(await rootsOf(batches))).toEqual(new Set(inChain))
  })

  test('that comes with what this process does not remember is taken the first time', async () => {
    const remembering = bed.open()
    const other = one(batchChain(publisher, one(await bed.fund(publisher, 1)), 1))
    orThrow(await remembering.submit(bed.submissionOf(other)))
    const chain = batchChain(publisher, one(await bed.fund(publisher, 1)), 1)
    const before = await bed.overlay.submit(bed.submissionOf(one(chain)))
    const mined = await mineAll(bed, chain)
    expect(await rootsOf(chain)).toEqual([])
    expect(await remembering.submit(trimmed(mined, 0, 0))).toEqual(before)
    expect(await rootsOf(chain)).toEqual([one(mined).proof.root])
  })
})

describe('a reorganisation', () => {
  test('takes what the network throws out, though nobody has told us of its rival', async () => {
    await bed.overlay.start()
    const coin = await bed.fund(publisher, 1)
    const ours = batchTransaction(publisher, coin, { text: textAt(0) })
    const theirs = batchTransaction(publisher, coin, { text: textAt(1) })
    await admitAndMine(ours)
    await reorganise(1, theirs)
    await until(async () => (await placesOf([ours], topic)).length === 0)
    expect(bed.reports.filter(({ what }) => what === 'onEvicted').flatMap(({ said }) => said[0])).toEqual([
      ours.txid,
    ])
  })

  test('brings back what comes back with the chain', async () => {
    await bed.overlay.start()
    const { ours, theirs, held } = await rivals()
    orThrow(await bed.overlay.submit(bed.submissionOf(ours)))
    expect((await bed.overlay.submit(bed.submissionOf(theirs))).ok).toBe(false)
    await admitAndMine(ours)

    await reorganise(1, theirs)
    await until(async () => (await held()).join() === '1.0')
    await reorganise(2, ours)
    await until(async () => (await held()).join() === '0.0')
    await until(async () => (await rootsOf([ours])).length === 1)
  })

  test('brings it back also where nobody has told us of its rival', async () => {
    await bed.overlay.start()
    const { ours, theirs, held } = await rivals()
    orThrow(await bed.overlay.submit(bed.submissionOf(ours)))
    await admitAndMine(ours)
    await reorganise(1, theirs)
    await until(async () => (await held()).join() === '')
    await reorganise(2, ours)
    await until(async () => (await held()).join() === '0.0')
  })

  /** Two for one coin, and which of their outputs are held here. */
  async function rivals() {
    const coin = await bed.fund(publisher, 1)
    const ours = batchTransaction(publisher, coin, { text: textAt(0) })
    const theirs = batchTransaction(publisher, coin, { text: textAt(1) })
    return { ours, theirs, held: () => placesOf([ours, theirs], topic) }
  }

  async function reorganise(depth: number, instead: Transaction) {
    const outcome = await bed.chain.reorganise({ depth, replaceWith: [instead] })
    expect(outcome.kind).toBe('reorganised')
  }
})

describe('an eviction', () => {
  test('of other transactions keeps no submission beside it from being answered', async () => {
    const coins = await bed.fund(publisher, 60)
    const batches = coins.map((coin, n) => batchTransaction(publisher, [coin], { text: textAt(n) }))
    const [victims, fine] = [batches.slice(0, 30), batches.slice(30)]
    for (const victim of victims) orThrow(await bed.overlay.submit(bed.submissionOf(victim)))
    const another = bed.open()
    const submitting = fine.map(batch => answerTo(bed.submissionOf(batch)))
    for (const { txid } of victims) expect(await another.evict(txid, 'a test wants it')).toEqual([txid])
    const answers = await Promise.all(submitting)
    for (const answer of answers) expect(['admitted', 'ERR_OVERTAKEN']).toContain(answer)
    const admitted = fine.filter((_, i) => answers[i] === 'admitted')
    expect(await placesOf(batches, topic)).toHaveLength(admitted.length)
  })

  test('of what is not here makes nobody judge again', async () => {
    const before = await epoch()
    expect(await bed.overlay.evict('00'.repeat(32), 'nobody knows it')).toEqual([])
    expect(await epoch()).toEqual(before)
  })

  async function answerTo(submission: Submission): Promise<unknown> {
    try {
      const answer = await bed.overlay.submit(submission)
      return answer.ok ? 'admitted' : answer.fault
    } catch (error) {
      return error instanceof Error && 'code' in error ? error.code : error
    }
  }

  async function epoch(): Promise<unknown> {
    return (await bed.database.pool.query('select epoch from overlay_epoch')).rows
  }
})

function admits({ retained }: { readonly retained: readonly number[] }) {
  return { ok: true, value: { [topic]: { outputsToAdmit: [0], coinsToRetain: retained, coinsRemoved: [] } } }
}

async function admitAndMine(ours: Transaction): Promise<void> {
  orThrow(await bed.overlay.submit(bed.submissionOf(ours)))
  await until(async () => (await bed.chain.statusOf([ours.txid])).has(ours.txid))
  await bed.mine()
  await until(async () => (await rootsOf([ours])).length === 1)
}

/** Of these, which outputs the topic holds: the place in the list, and the output. */
async function placesOf(transactions: readonly Transaction[], ofTopic: string): Promise<string[]> {
  const txids = transactions.map(({ txid }) => txid)
  const { rows } = await bed.database.pool.query<{ txid: string; vout: number }>(
    `select encode(txid, 'hex') as txid, vout from outputs where topic = $1 and encode(txid, 'hex') = any ($2)`,
    [ofTopic, txids],
  )
  return rows.map(({ txid, vout }) => `${txids.indexOf(txid)}.${vout}`).sort()
}

/** The block roots that their stored proofs lead to. */
async function rootsOf(transactions: readonly Transaction[]): Promise<string[]> {
  const { rows } = await bed.database.pool.query<{ root: string }>(
    `select encode(proof_root, 'hex') as root from transactions
      where proof is not null and encode(txid, 'hex') = any ($1)`,
    [transactions.map(({ txid }) => txid)],
  )
  return rows.map(({ root }) => root)
}

async function keptDoubleSpends(): Promise<string[]> {
  const { rows } = await bed.database.pool.query<{ txid: string }>(
    `select encode(txid, 'hex') as txid from double_spends`,
  )
  return rows.map(({ txid }) => txid)
}

function withProof({ transaction, proof }: Mined): BeefTransaction {
  return { ...transaction, proof }
}

function beefFor(ofTopic: string, transactions: readonly BeefTransaction[]): Submission {
  return { beef: orThrow(readBeef(writeBeef(transactions))), topics: [ofTopic] }
}

/** Which kind of transaction it is, said to the topic managers below by the amount of output 0. */
const [ROOT, CHILD, GRANDCHILD] = [7, 8, 9]

function marked(kind: number) {
  return { satoshis: kind, script: p2pkhLock(publisher.publicKey) }
}

const described = {
  getDocumentation: async () => '',
  getMetaData: async () => ({ name: '', shortDescription: '' }),
}

/** Admits output 1 where every coin is held, and lets go of them. */
const needsAllItsCoins: HostedManager = {
  async identifyAdmissibleOutputs(beef, coins) {
    const { inputs, outputs } = StockTransaction.fromBEEF(beef)
    const admitted = outputs[0]?.satoshis === ROOT || coins.length === inputs.length
    return { outputsToAdmit: admitted ? [1] : [], coinsToRetain: [] }
  },
  ...described,
}

/** Admits output 0 of a child in any case, and output 1 where every coin is held; keeps all coins. */
const admitsMoreOfHeldCoins: HostedManager = {
  async identifyAdmissibleOutputs(beef, coins) {
    const { inputs, outputs } = StockTransaction.fromBEEF(beef)
    const kind = outputs[0]?.satoshis
    const always = kind === CHILD ? [0] : []
    const more = kind === ROOT || coins.length === inputs.length ? [1] : []
    return { outputsToAdmit: [...always, ...more], coinsToRetain: coins }
  },
  ...described,
}

/** The topics of a node whose manager first waits for this. */
function heldUp(wait: () => Promise<void>) {
  const hosted = hostedTopics(bed.database)
  const manager = hosted.managers[topic]
  if (manager === undefined) throw new Error(`${topic} is not hosted`)
  const slow: HostedManager = {
    async identifyAdmissibleOutputs(...given) {
      await wait()
      return manager.identifyAdmissibleOutputs(...given)
    },
    getDocumentation: () => manager.getDocumentation(),
    getMetaData: () => manager.getMetaData(),
  }
  return { ...hosted, managers: { [topic]: slow } }
}

function openable() {
  let open = () => {}
  const opened = new Promise<void>(resolve => {
    open = resolve
  })
  return { opened, open }
}
