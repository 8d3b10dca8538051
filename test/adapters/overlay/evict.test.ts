import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { HostedManager } from '../../../src/adapters/overlay/hosted.ts'
import { baseTopics } from '../../../src/contract/names.ts'
import { hostedTopics } from '../../../src/node/hosted-topics.ts'
import { EventsIngestTopicManager } from '../../../topic-managers/events-ingest.ts'
import { batchChain, one } from '../../support/batch-chains.ts'
import { findDisagreements } from '../../support/check-overlay.ts'
import { type OverlayBed, overlayBed } from '../../support/overlay-bed.ts'
import { party } from '../../support/pipeline.ts'

const publisher = party('publisher')
const topic = baseTopics.ingest

let bed: OverlayBed
beforeAll(async () => {
  bed = await overlayBed()
})
afterAll(async () => {
  expect(await findDisagreements(bed.database.pool)).toEqual([])
  await bed.close()
})

describe('evicting a transaction', () => {
  test('takes its descendants along, and what it had spent is unspent again', async () => {
    const chain = batchChain(publisher, one(await bed.fund(publisher, 1)), 5)
    await bed.overlay.submit(bed.submissionOf(chain[4] ?? one(chain), ...chain))
    const gone = await bed.overlay.evict(chain[2]?.txid ?? '', 'a test wants it')
    expect([...gone].sort()).toEqual(
      chain
        .slice(2)
        .map(({ txid }) => txid)
        .sort(),
    )
    expect(await listed(chain)).toEqual([
      [chain[0]?.txid, true],
      [chain[1]?.txid, false],
    ])
    const { rows } = await bed.database.pool.query(
      `select count(*)::int as n from evicted where reason = 'a test wants it'`,
    )
    expect(rows).toEqual([{ n: 3 }])
  })

  test('has the network told of what stays, and was to be told of together with it', async () => {
    const chain = batchChain(publisher, one(await bed.fund(publisher, 1)), 3)
    await bed.overlay.submit(bed.submissionOf(chain[2] ?? one(chain), ...chain))
    expect(await toldOf(chain)).toEqual([chain[2]?.txid])
    await bed.overlay.evict(chain[2]?.txid ?? '', 'a test wants it')
    expect(await toldOf(chain)).toEqual([chain[1]?.txid])
  })

  test('lets it come again', async () => {
    const chain = batchChain(publisher, one(await bed.fund(publisher, 1)), 3)
    const submission = bed.submissionOf(chain[2] ?? one(chain), ...chain)
    const before = await bed.overlay.submit(submission)
    await bed.overlay.evict(chain[1]?.txid ?? '', 'a test wants it')
    expect(await bed.overlay.submit(submission)).toEqual(before)
    expect((await listed(chain)).map(([, spent]) => spent)).toEqual([true, true, false])
  })

  test('does nothing where it is not here', async () => {
    expect(await bed.overlay.evict('ab'.repeat(32), 'nobody knows it')).toEqual([])
  })

  test('makes an admission that was judged meanwhile be judged again', async () => {
    const chain = batchChain(publisher, one(await bed.fund(publisher, 1)), 6)
    const submissions = chain.map(transaction =>
      bed.submissionOf(transaction, ...chain.slice(0, chain.indexOf(transaction))),
    )
    await Promise.all([
      ...submissions.map(submission => bed.overlay.submit(submission)),
      ...chain.map(({ txid }) => bed.overlay.evict(txid, 'in between')),
    ])
    expect(await findDisagreements(bed.database.pool)).toEqual([])
  })

  test('gives a coin back that its topic had let go of', async () => {
    const { services } = hostedTopics(bed.database)
    const forgetful: HostedManager = forgetfulManager()
    const overlay = bed.open({ hosted: { managers: { [topic]: forgetful }, services } })
    const chain = batchChain(publisher, one(await bed.fund(publisher, 1)), 2)
    const [first, second] = chain
    if (first === undefined || second === undefined) throw new Error('no chain')
    await overlay.submit(bed.submissionOf(first))
    expect(await overlay.submit(bed.submissionOf(second, first))).toEqual({
      ok: true,
      value: { [topic]: { outputsToAdmit: [0], coinsToRetain: [], coinsRemoved: [0] } },
    })
    expect(await listed(chain)).toEqual([[second.txid, false]])
    await overlay.evict(second.txid, 'a test wants it')
    expect(await listed(chain)).toEqual([[first.txid, false]])
    expect(await findDisagreements(bed.database.pool)).toEqual([])
  })
})

async function toldOf(chain: readonly { readonly txid: string }[]): Promise<string[]> {
  const { rows } = await bed.database.pool.query<{ txid: string }>(
    `select encode(txid, 'hex') as txid from outbox where encode(txid, 'hex') = any ($1)`,
    [chain.map(({ txid }) => txid)],
  )
  return rows.map(({ txid }) => txid)
}

/** Of this chain: what the index lists, and whether it is spent. */
async function listed(chain: readonly { readonly txid: string }[]): Promise<[string | undefined, boolean][]> {
  const { rows } = await bed.database.pool.query<{ txid: string; spent: boolean }>(
    `select encode(txid, 'hex') as txid, spent_by is not null as spent from gitdata_events
      where encode(txid, 'hex') = any ($1)`,
    [chain.map(({ txid }) => txid)],
  )
  return chain.flatMap(({ txid }) =>
    rows.filter(row => row.txid === txid).map((row): [string, boolean] => [txid, row.spent]),
  )
}

/** Admits the same, and retains nothing. */
function forgetfulManager(): HostedManager {
  const manager = new EventsIngestTopicManager()
  return {
    admit: (beef, _coins, values) => ({ ...manager.admit(beef, [], values), coinsToRetain: [] }),
    identifyAdmissibleOutputs: (beef, coins, values) =>
      manager.identifyAdmissibleOutputs(beef, coins, values),
    getDocumentation: () => manager.getDocumentation(),
    getMetaData: () => manager.getMetaData(),
  }
}
