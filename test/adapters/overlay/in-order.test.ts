import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { HostedManager } from '../../../src/adapters/overlay/hosted.ts'
import {
  PeerRefusal,
  REFUSALS_IN_ORDER_MAX,
  WAITING_PER_HOST_AGAIN,
  WAITING_PER_HOST_MAX,
} from '../../../src/adapters/overlay/outbox.ts'
import type { OverlayDeps } from '../../../src/adapters/overlay/overlay.ts'
import { readBeef } from '../../../src/contract/beef.ts'
import { baseTopics } from '../../../src/contract/names.ts'
import type { Transaction } from '../../../src/contract/transaction.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { hostedTopics } from '../../../src/node/hosted-topics.ts'
import { batchChain, one } from '../../support/batch-chains.ts'
import { findDisagreements } from '../../support/check-overlay.ts'
import { type OverlayBed, overlayBed } from '../../support/overlay-bed.ts'
import { party } from '../../support/pipeline.ts'
import { until } from '../../support/until.ts'

const publisher = party('publisher')
const topic = baseTopics.certified

describe('what a host is told of certificates', () => {
  let bed: OverlayBed
  beforeEach(async () => {
    bed = await overlayBed()
  })
  afterEach(async () => {
    expect(await findDisagreements(bed.database.pool)).toEqual([])
    await bed.close()
  })

  test('comes one after the other, in the order of their admission, though some of it fails', async () => {
    const told: string[] = []
    let [underWay, most] = [0, 0]
    const overlay = node({
      async post(_host, beef) {
        most = Math.max(most, ++underWay)
        await new Promise(resolve => setImmediate(resolve))
        underWay -= 1
        const { txid } = orThrow(readBeef(beef)).subject
        if (told.length % 4 === 2 && !failed.has(txid)) {
          failed.add(txid)
          throw new Error('not now')
        }
        told.push(txid)
        return []
      },
    })
    const failed = new Set<string>()
    await overlay.start()
    const admitted = await admit(overlay, 10)
    await until(() => told.length === 10)
    expect(told).toEqual(admitted)
    expect([most, failed.size > 0]).toEqual([1, true])
  })

  test('keeps its order while several processes tell it, one of which dies with the first in hand', async () => {
    const told: string[] = []
    const admitted = await admit(node(), 8)
    // As a process leaves it that was killed between leasing and telling, and whose lease has run out.
    await bed.database.pool.query(`update outbox set attempts = 1, due_ms = 0
      where id = (select min(id) from outbox where in_order)`)
    const post: OverlayDeps['post'] = async (_host, beef) => {
      told.push(orThrow(readBeef(beef)).subject.txid)
      return []
    }
    for (let nodes = 0; nodes < 3; nodes++) await node({ post }).start()
    await until(() => told.length === 8)
    expect(told).toEqual(admitted)
  })

  test('waits for no one certificate that the host refuses, which is told on beside the others', async () => {
    const told: string[] = []
    let refusals = 0
    let refused: string | undefined
    const overlay = node({
      async post(_host, beef) {
        const { txid } = orThrow(readBeef(beef)).subject
        if (txid === refused && refusals < REFUSALS_IN_ORDER_MAX) {
          refusals += 1
          throw new PeerRefusal('it answered 400')
        }
        told.push(txid)
        return []
      },
    })
    const [first, second, third] = await admit(overlay, 3)
    refused = first
    await overlay.start()
    await until(() => told.length === 3)
    expect(told).toEqual([second, third, first])
  })

  test('reaches those that answer while another one is dead', async () => {
    const told: string[] = []
    const overlay = node({
      peers: ['https://dead.example', 'https://good.example'],
      async post(host, beef) {
        if (host.includes('dead')) throw new Error('it does not answer')
        told.push(orThrow(readBeef(beef)).subject.txid)
        return []
      },
    })
    await overlay.start()
    const admitted = await admit(overlay, 6)
    await until(() => told.length === 6)
    expect(told).toEqual(admitted)
    expect(await waiting('https://dead.example')).toBe(6)
  })

  test('reaches those that answer while many others refuse all of it', async () => {
    const bad = [1, 2, 3, 4, 5].map(n => `https://bad-${n}.example`)
    const told: string[] = []
    let refused = 0
    const overlay = node({
      peers: [...bad, 'https://good.example'],
      async post(host, beef) {
        await new Promise(resolve => setImmediate(resolve))
        if (host.includes('bad')) {
          refused += 1
          throw new PeerRefusal('it answered 500')
        }
        told.push(orThrow(readBeef(beef)).subject.txid)
        return []
      },
    })
    const admitted = await admit(overlay, 30)
    await overlay.start()
    await until(() => told.length === 30)
    expect(told).toEqual(admitted)
    // Each of them was asked, of one certificate at a time, and rests in between; nobody had to wait for that.
    expect(refused).toBeGreaterThanOrEqual(bad.length)
    expect(await Promise.all(bad.map(waiting))).toEqual(bad.map(() => 30))
  })

  test('waits for no one certificate that cannot be put together here, nor is the host taken for dead', async () => {
    const told: string[] = []
    const overlay = node({
      post: async (_host, beef) => {
        told.push(orThrow(readBeef(beef)).subject.txid)
        return []
      },
    })
    const [first, second, third] = await admit(overlay, 3)
    const { rows } = await bed.database.pool.query(
      `select raw from transactions where txid = decode($1, 'hex')`,
      [first],
    )
    const keep = (raw: unknown) =>
      bed.database.pool.query(`update transactions set raw = $2 where txid = decode($1, 'hex')`, [first, raw])
    await keep(Buffer.of(0))
    await overlay.start()
    await until(() => told.length === 2)
    expect(told).toEqual([second, third])
    await keep(rows[0]?.raw)
    await until(() => told.length === 3)
    expect(told).toEqual([second, third, first])
  })

  // Each try of a host that does not answer comes later than the one before.
  test('ends, and is said to, where too much waits for one that does not answer', {
    timeout: 180_000,
  }, async () => {
    const said: [string, boolean][] = []
    let posts = 0
    const overlay = node({
      async post() {
        posts += 1
        throw new Error('it does not answer')
      },
      events: { ...quiet, onHostFull: (target, isFull) => void said.push([target, isFull]) },
    })
    const [txid = ''] = await admit(overlay, 1)
    // Rows of their own, as the same transaction waits for a host once.
    await bed.database.pool.query(
      `with copies as (
          insert into transactions (txid, raw, stored_ms)
            select sha256(n::text::bytea), raw, stored_ms from transactions, generate_series(1, $2::int) as n
              where txid = decode($1, 'hex') returning txid
        ) insert into outbox (txid, target, topics, due_ms)
          select txid, 'https://peer.example', array[$3], 9e15::bigint from copies`,
      [txid, WAITING_PER_HOST_MAX, topic],
    )
    await bed.database.pool.query(`update outbox set due_ms = 0 where txid = decode($1, 'hex')`, [txid])
    await overlay.start()
    await until(() => said.length > 0)
    expect(said).toEqual([['https://peer.example', true]])
    const before = await waiting('https://peer.example')
    await admit(overlay, 1)
    expect(await waiting('https://peer.example')).toBe(before)
    // As many are told, half of them at first, that one more try counts what is left.
    const letGo = (count: number) =>
      bed.database.pool.query(
        `with gone as (delete from outbox where id in (
              select id from outbox where due_ms = 9e15::bigint limit $1) returning txid)
          delete from transactions using gone where transactions.txid = gone.txid`,
        [count],
      )
    await letGo(WAITING_PER_HOST_MAX - WAITING_PER_HOST_AGAIN - 1)
    const tries = posts
    await until(() => posts > tries)
    expect(said).toHaveLength(1)
    await letGo(WAITING_PER_HOST_MAX)
    await until(() => said.length > 1)
    expect(said).toEqual([
      ['https://peer.example', true],
      ['https://peer.example', false],
    ])
  })

  function node(deps: Partial<OverlayDeps> = {}) {
    const hosted = hostedTopics(bed.database)
    return bed.open({
      hosted: { ...hosted, managers: { ...hosted.managers, [topic]: admitsAnything } },
      peers: ['https://peer.example'],
      ...deps,
    })
  }

  async function admit(overlay: ReturnType<typeof node>, count: number): Promise<string[]> {
    const coins = await bed.fund(publisher, count)
    const batches = coins.map((coin): Transaction => one(batchChain(publisher, coin, 1)))
    for (const batch of batches)
      orThrow(await overlay.submit({ ...bed.submissionOf(batch), topics: [topic] }))
    return batches.map(({ txid }) => txid)
  }

  async function waiting(target: string): Promise<number> {
    const { rowCount } = await bed.database.pool.query('select from outbox where target = $1', [target])
    return rowCount ?? 0
  }
})

const nothing = () => undefined
const quiet: OverlayDeps['events'] = {
  onEvicted: nothing,
  onDoubleSpend: nothing,
  onUndelivered: nothing,
  onReorganisation: nothing,
  onProven: nothing,
  onFollowFailure: nothing,
}

const admitsAnything: HostedManager = {
  identifyAdmissibleOutputs: async () => ({ outputsToAdmit: [0], coinsToRetain: [] }),
  getDocumentation: async () => '',
  getMetaData: async () => ({ name: '', shortDescription: '' }),
}
