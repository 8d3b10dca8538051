import pg from 'pg'
import { afterEach, describe, expect, onTestFailed, test } from 'vitest'
import { columnTypes } from '../../src/adapters/postgres/column-types.ts'
import { choicesFrom } from '../core/rounds/simulator/choices.ts'
import { until } from '../support/until.ts'
import { auditNode, findUnindexed, verifyIndex } from './audit-node.ts'
import type { ChildNode } from './child-node.ts'
import { killAndRestart, victims } from './kills.ts'
import { type NodeHome, nodeHome } from './node-home.ts'
import { type Acknowledged, pause, type SubmitLoad, submitLoad } from './submit-load.ts'

// By hand, the full count: ASSAY_KILLS=50 npx vitest run test/node/kill.test.ts
const slice = 4
const kills = Number(process.env['ASSAY_KILLS'] ?? slice)
const seed = Number(process.env['ASSAY_SEED'] ?? 20261120)
const clients = 6
const acknowledgedBetweenMax = 40
const momentMsMax = 60
/** Somewhat longer than a start that makes its database takes. */
const firstStartMsMax = 6_000

const homes: NodeHome[] = []
afterEach(async () => {
  for (const home of homes.splice(0)) await home.remove()
}, 60_000)

describe('kill -9 of the node and of PostgreSQL at random moments, under submits', () => {
  test(`loses and doubles nothing that was acknowledged, over ${kills} kills`, {
    timeout: 120_000 + kills * 20_000,
  }, async () => {
    const choices = choicesFrom(seed)
    const home = await nodeHome()
    homes.push(home)
    let node = home.start()
    onTestFailed(() => void process.stderr.write(node.said()))
    await node.ready()
    const load = submitLoad({ url: node.url, seed, clients })
    const startedMs = Date.now()

    const seen = new Set<string>()
    const plan = victims(kills)
    for (const victim of plan) {
      await load.more(1 + choices.pick(acknowledgedBetweenMax))
      await pause(choices.pick(momentMsMax))
      node = await killAndRestart(victim, { home, node, choices })
      await node.ready()
      await load.rest()
      const news = [...load.acknowledged.values()].filter(({ txid }) => !seen.has(txid))
      for (const { txid } of news) seen.add(txid)
      expect(await faultsNow(home, node, load, news), `after a kill of: ${victim}`).toEqual([])
    }
    await load.more(acknowledgedBetweenMax)
    await load.rest()
    await settle(home)
    const all = [...load.acknowledged.values()]
    expect(await faultsNow(home, node, load, all)).toEqual([])
    expect(await lostInTheEnd(home, node, load)).toEqual([])
    const figures = {
      ...load.counts,
      acknowledged: all.length,
      evicted: all.filter(({ mayGo }) => mayGo).length,
      restarts: plan.length,
      seconds: Math.round((Date.now() - startedMs) / 1000),
    }
    if (kills > slice) process.stderr.write(`${JSON.stringify(figures)}\n`)

    node.signal('SIGTERM')
    expect(await node.exited).toEqual({ code: 0, signal: null })
    await home.withDatabase(async url => {
      const before = await indexRows(url)
      expect(before.length).toBeGreaterThan(0)
      const reindex = home.run('reindex')
      expect(await reindex.exited, reindex.said()).toEqual({ code: 0, signal: null })
      expect(await indexRows(url)).toEqual(before)
    })
  })
})

describe('a first start that is killed', () => {
  const starts = Math.ceil(kills / 2)
  test(`at any of ${starts} moments is finished by the next one`, {
    timeout: 60_000 + starts * 20_000,
  }, async () => {
    const choices = choicesFrom(seed)
    const home = await nodeHome()
    homes.push(home)
    for (let n = 0; n < starts; n++) {
      const starting = home.start()
      // Earlier ones first: what they were killed over is still to be made.
      await pause(choices.pick(Math.ceil((firstStartMsMax * (n + 1)) / starts)))
      await starting.kill()
      const server = home.postmaster()
      if (server !== undefined && choices.chance(50)) process.kill(server, 'SIGKILL')
    }
    const node = home.start()
    onTestFailed(() => void process.stderr.write(node.said()))
    await node.ready()
    const load = submitLoad({ url: node.url, seed, clients: 1 })
    await load.more(5)
    await load.rest()
    expect(await faultsNow(home, node, load, [...load.acknowledged.values()])).toEqual([])
  })
})

/** Everything that is wrong at this moment. */
async function faultsNow(
  home: NodeHome,
  node: ChildNode,
  load: SubmitLoad,
  news: readonly Acknowledged[],
): Promise<string[]> {
  const { faults } = await home.withDatabase(url => auditNode(url, load))
  const standing = news.filter(({ mayGo }) => !mayGo)
  const unindexed = await findUnindexed(node.url, standing)
  for (const each of standing) await load.again(each)
  return [...faults, ...unindexed, ...load.unexpected]
}

/** Nothing is left to tell, and every transaction is in a block that the overlay knows of. */
async function settle(home: NodeHome): Promise<void> {
  await home.withDatabase(async url => {
    const client = new pg.Client(url)
    await client.connect()
    try {
      // A killed process holds its deliveries for a minute: that minute is over now.
      await client.query('update outbox set due_ms = 0')
      await until(async () => {
        const { rows } = await client.query<{ open: number }>(
          `select ((select count(*) from outbox) + (select count(*) from transactions where proof is null))::int as open`,
        )
        return rows[0]?.open === 0
      })
    } finally {
      await client.end()
    }
  })
}

async function lostInTheEnd(home: NodeHome, node: ChildNode, load: SubmitLoad): Promise<string[]> {
  const { mined, gone } = await home.withDatabase(url => auditNode(url, load))
  const index = await verifyIndex(node.url)
  const faults = [...index.faults]
  for (const { txid, mayGo } of load.acknowledged.values()) {
    if (gone.has(txid)) continue
    if (mayGo) faults.push(`${txid} stands, and the network has mined another one`)
    if (!mined.has(txid)) faults.push(`${txid} was acknowledged, and is in no block`)
    if (!index.txids.has(txid)) faults.push(`${txid} was acknowledged, and the index does not show it`)
  }
  for (const txid of load.awaited)
    if (!index.txids.has(txid)) faults.push(`${txid} was mined instead of ours, and is not taken in`)
  return faults
}

async function indexRows(url: string): Promise<object[]> {
  const client = new pg.Client({ connectionString: url, types: columnTypes })
  await client.connect()
  try {
    return (await client.query<object>('select * from gitdata_events order by txid, vout')).rows
  } finally {
    await client.end()
  }
}
