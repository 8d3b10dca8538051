import type { RequestListener } from 'node:http'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Chain } from '../../../src/adapters/chain/chain.ts'
import { readSyncPage } from '../../../src/adapters/discovery/sync-feed.ts'
import { type SyncPage, syncPage } from '../../../src/adapters/discovery/sync-page.ts'
import { baseTopics } from '../../../src/contract/names.ts'
import type { Transaction } from '../../../src/contract/transaction.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { batchChain, one } from '../../support/batch-chains.ts'
import { findDisagreements } from '../../support/check-overlay.ts'
import { offChainBatch } from '../../support/event-batches.ts'
import { type OverlayBed, overlayBed } from '../../support/overlay-bed.ts'
import { advertOf, type OverlayHost, overlayHost, serve } from '../../support/overlay-host.ts'
import { party } from '../../support/pipeline.ts'
import { until } from '../../support/until.ts'

const publisher = party('publisher')
const topic = baseTopics.ingest
let bed: OverlayBed
const hosts: OverlayHost[] = []
const servers: { stop(): Promise<void> }[] = []
beforeEach(async () => {
  bed = await overlayBed()
})
afterEach(async () => {
  for (const host of hosts) expect(await findDisagreements(host.database.pool)).toEqual([])
  for (const host of hosts.splice(0)) await host.end()
  for (const server of servers.splice(0)) await server.stop()
  await bed.close()
})

describe('the feed of a topic', () => {
  test('gives out everything once, page by page, and then nothing more until there is more', async () => {
    const chain = await submitChain(bed.overlay, 5)
    await givesOut(bed.database.pool, 5)
    const seen: string[] = []
    let after: string | undefined
    for (const more of [true, true, false]) {
      const page = await read({ after, limit: 2 })
      expect(page.more).toBe(more)
      seen.push(...page.items.map(({ txid }) => txid))
      after = page.cursor
    }
    expect(seen).toEqual(chain.map(({ txid }) => txid))
    expect(await read({ after })).toEqual({ items: [], cursor: after, more: false })
    const [next] = await submitChain(bed.overlay, 1)
    await givesOut(bed.database.pool, 6)
    expect((await read({ after })).items.map(({ txid }) => txid)).toEqual([next?.txid])
  })

  test('lets nothing slip behind a cursor that commits late', async () => {
    const client = new pg.Client(bed.database.pool.options)
    await client.connect()
    const [first] = await submitChain(bed.overlay, 1)
    await givesOut(bed.database.pool, 1)
    const { cursor } = await read({})
    await client.query('begin')
    await client.query('select pg_current_xact_id()')
    const [late] = await submitChain(bed.overlay, 1)
    // Committed, and written after a transaction that is still under way: what that one writes goes before it.
    expect(await read({ after: cursor })).toEqual({ items: [], cursor, more: false })
    await client.query(`update applied set written = pg_current_xact_id() where txid = '\\x${first?.txid}'`)
    await client.query('commit')
    await client.end()
    await until(async () => (await read({ after: cursor })).items.length === 2)
    expect((await read({ after: cursor })).items.map(({ txid }) => txid)).toEqual([first?.txid, late?.txid])
  })

  test('begins anew under the cursor of another database, or of this one before it was restored', async () => {
    const chain = await submitChain(bed.overlay, 3)
    const all = chain.map(({ txid }) => txid)
    await givesOut(bed.database.pool, 3)
    const { cursor } = await read({})
    for (const after of ['nonsense', cursor.replace(/^.{8}/, '00000000'), `${cursor}0`])
      expect((await read({ after })).items.map(({ txid }) => txid)).toEqual(all)
    // As a dump of it is in a cluster that has seen fewer transactions.
    await bed.database.pool.query(
      `update sync_feed set cluster = 'another'; update applied set written = '9999999999'::xid8`,
    )
    // Who asks first has all of it written again.
    await read({ after: cursor })
    await givesOut(bed.database.pool, 3)
    const restored = await read({ after: cursor })
    expect(restored.items.map(({ txid }) => txid).sort()).toEqual([...all].sort())
    expect((await read({ after: restored.cursor })).items).toEqual([])
  })

  test('fills no page beyond its bytes, and leaves out nothing for that', async () => {
    const coins = await bed.fund(publisher, 4, 10_000)
    const sent = coins.map((coin, n) =>
      offChainBatch(publisher, [coin], `{"n":${n},"x":"${'x'.repeat(900_000)}"}\n`),
    )
    for (const { transaction, offChainValues } of sent)
      orThrow(await bed.overlay.submit({ ...bed.submissionOf(transaction), offChainValues }))
    await givesOut(bed.database.pool, 4)
    const seen: string[] = []
    let after: string | undefined
    for (const count of [2, 2]) {
      const page = await read({ after })
      expect(page.items).toHaveLength(count)
      for (const { txid, offChainValues } of page.items) {
        seen.push(txid)
        const values = sent.find(({ transaction }) => transaction.txid === txid)?.offChainValues
        expect(Buffer.from(offChainValues ?? '', 'base64').equals(values ?? new Uint8Array())).toBe(true)
      }
      after = page.cursor
    }
    expect(new Set(seen).size).toBe(4)
  })

  const read = (question: { after?: string | undefined; limit?: number }) =>
    readSyncPage(bed.database.pool, { topic, ...question }).then(page => syncPage.parse(page))
})

describe('a node that was not there', () => {
  test('gets all that its peer has, mined or not, off-chain values included', async () => {
    const first = await host()
    const mined = await submitChain(first.overlay, 3)
    await until(async () => (await bed.chain.statusOf([mined[2]?.txid ?? ''])).size === 1)
    const { transaction, offChainValues } = offChainBatch(
      publisher,
      [one(await bed.fund(publisher, 1))],
      '{"n":9}\n',
    )
    orThrow(await first.overlay.submit({ ...bed.submissionOf(transaction), offChainValues }))
    const unmined = await submitChain(first.overlay, 3)
    const second = await host({ named: [first.url] })
    await hasAll(second, [...mined, transaction, ...unmined])
    const values = await second.database.pool.query('select bytes from off_chain_values')
    expect(values.rows).toHaveLength(1)
  })

  test('gets it again and again, in whatever order it was written, without asking for what it has', async () => {
    const first = await host()
    const chain = await submitChain(first.overlay, 4)
    // The children first, as another node may have heard of them.
    await first.database.pool.query(
      `update applied set written = case txid when '\\x${chain[0]?.txid}' then pg_current_xact_id() else written end`,
    )
    const second = await host({ named: [first.url] })
    await hasAll(second, chain)
    await until(() => second.judged.length >= 4)
    const more = await submitChain(first.overlay, 1)
    await hasAll(second, [...chain, ...more])
    expect(second.judged).toHaveLength(5)
  })

  test('takes later what it cannot judge yet, and goes on with the rest', async () => {
    const first = await host()
    const chain = await submitChain(first.overlay, 1)
    let knowsBlocks = false
    const behind: Chain = {
      ...bed.chain,
      rootAt: async height => (knowsBlocks ? bed.chain.rootAt(height) : undefined),
    }
    const second = await host({ named: [first.url], chain: behind })
    await until(() => second.judged.some(({ judgement }) => judgement.kind === 'later'))
    await until(async () => (await cursors(second)) === 1)
    knowsBlocks = true
    await hasAll(second, chain)
    await until(async () => (await unsettled(second)).length === 0)
  })

  test('remembers what it refused for good, and goes on with the rest', async () => {
    const first = await host()
    const chain = await submitChain(first.overlay, 2)
    await givesOut(first.database.pool, 2)
    const page = await readSyncPage(first.database.pool, { topic })
    const txid = 'ee'.repeat(32)
    const items = [{ txid, beef: 'AAAA', cursor: 'before.everything' }, ...page.items]
    const peer = await bad((_, response) => response.end(JSON.stringify({ ...page, items })))
    const second = await host({ named: [peer] })
    await hasAll(second, chain)
    await until(async () => (await unsettled(second)).length === 1)
    expect(await unsettled(second)).toEqual([
      { txid, due_ms: null, reason: expect.stringContaining('end too early') },
    ])
  })

  test('is kept waiting by no bad peer: silent, endless, lying, or sending garbage', async () => {
    const good = await host()
    const chain = await submitChain(good.overlay, 3)
    await givesOut(good.database.pool, 3)
    const real = await readSyncPage(good.database.pool, { topic })
    const [item] = real.items
    let n = 0
    const endless = (items: SyncPage['items']) =>
      bad((_, response) => {
        n += 1
        response.end(JSON.stringify({ items, cursor: `c.${n}.x`, more: true }))
      })
    const inside = await bad((_, response) => response.end('{}'))
    const peers = [
      await bad(() => undefined),
      await endless([]),
      await endless(Array(64).fill(item)),
      await endless([{ txid: 'ff'.repeat(32), beef: item?.beef ?? null, cursor: 'x' }]),
      await endless([{ txid: 'ee'.repeat(32), beef: 'AAAA', cursor: 'x' }]),
      await bad((_, response) => response.end('[')),
      await bad((_, response) => response.end('x'.repeat(20_000_000))),
      await bad((_, response) => response.writeHead(302, { Location: `${inside}/sync` }).end()),
      await bad((_, response) => response.writeHead(500).end()),
      await bad((_, response) => response.end(JSON.stringify({ ...real, cursor: 'same' }))),
    ]
    const node = await host({ hostsOf: async () => [...peers, good.url].map(url => advertOf(url)) })
    await hasAll(node, chain)
    await until(async () => (await unsettled(node)).length >= 2)
    expect(node.failures.some(failure => failure.includes('redirections are not followed'))).toBe(true)
  })
})

describe('two nodes that find each other by their adverts', () => {
  test('admit what either is told, and are not told what they do not advertise', async () => {
    const adverts: Record<string, { url: string; key: string }[]> = { [topic]: [] }
    const hostsOf = async (asked: string) => (adverts[asked] ?? []).map(({ url, key }) => advertOf(url, key))
    const keys = ['02'.padEnd(66, '1'), '02'.padEnd(66, '2')]
    const [first, second] = await Promise.all(
      keys.map(identityKey => host({ hostsOf, identityKey, syncMs: 3_600_000 })),
    )
    if (first === undefined || second === undefined) throw new Error('two are made')
    adverts[topic] = [first, second].map(({ url, identityKey: key }) => ({ url, key }))
    await until(() => first.peers.all().length === 1 && second.peers.all().length === 1)
    const toFirst = await submitChain(first.overlay, 2)
    const toSecond = await submitChain(second.overlay, 2)
    for (const each of [first, second]) await hasAll(each, [...toFirst, ...toSecond])
  })
})

async function host(options: Partial<Parameters<typeof overlayHost>[0]> = {}): Promise<OverlayHost> {
  const made = await overlayHost({ chain: bed.chain, ...options })
  hosts.push(made)
  return made
}

/** What was written is given out once every transaction before it is over, those in other databases of the server included. */
async function givesOut(pool: pg.Pool, count: number): Promise<void> {
  await until(async () => {
    let given = 0
    let after: string | undefined
    for (let more = true; more; ) {
      const page: SyncPage = syncPage.parse(await readSyncPage(pool, { topic, after }))
      given += page.items.length
      after = page.cursor
      more = page.more
    }
    return given === count
  })
}

async function bad(answer: RequestListener): Promise<string> {
  const server = await serve(answer)
  servers.push(server)
  return server.url
}

async function submitChain(overlay: OverlayBed['overlay'], length: number): Promise<Transaction[]> {
  const chain = batchChain(publisher, one(await bed.fund(publisher, 1)), length)
  for (const [n, transaction] of chain.entries())
    orThrow(await overlay.submit(bed.submissionOf(transaction, ...chain.slice(0, n))))
  return chain
}

async function hasAll({ database }: OverlayHost, transactions: readonly Transaction[]): Promise<void> {
  await until(async () => {
    const { rows } = await database.pool.query<{ txid: string }>(
      `select encode(txid, 'hex') as txid from applied where cardinality(admitted) > 0`,
    )
    const there = new Set(rows.map(({ txid }) => txid))
    return transactions.every(({ txid }) => there.has(txid))
  })
}

/** Of the one topic that these tests write to; a named peer is asked for every other one as well. */
async function unsettled({ database }: OverlayHost): Promise<object[]> {
  return (
    await database.pool.query<object>(
      `select encode(txid, 'hex') as txid, due_ms, reason from sync_unsettled where topic = $1`,
      [topic],
    )
  ).rows
}

async function cursors({ database }: OverlayHost): Promise<number> {
  return (await database.pool.query('select from sync_cursors where topic = $1', [topic])).rowCount ?? 0
}
