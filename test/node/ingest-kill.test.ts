import pg from 'pg'
import { afterEach, describe, expect, onTestFailed, test } from 'vitest'
import { columnTypes } from '../../src/adapters/postgres/column-types.ts'
import { choicesFrom } from '../core/rounds/simulator/choices.ts'
import { auditLog, countUnsealed } from '../support/audit-log.ts'
import { until } from '../support/until.ts'
import { type IngestLoad, ingestLoad, loadSources } from './ingest-load.ts'
import { killAndRestart, type Victim } from './kills.ts'
import { type NodeHome, nodeHome } from './node-home.ts'
import { pause } from './submit-load.ts'

// By hand, the full count: ASSAY_KILLS=50 ASSAY_SERVER_KILLS=20 npx vitest run test/node/ingest-kill.test.ts
const slice = { node: 3, server: 1 }
const kills = {
  node: Number(process.env['ASSAY_KILLS'] ?? slice.node),
  server: Number(process.env['ASSAY_SERVER_KILLS'] ?? slice.server),
}
const all = kills.node + kills.server
const seed = Number(process.env['ASSAY_SEED'] ?? 20261120)
const clients = 8
const requestsBetweenMax = 120
const momentMsMax = 200
/** Five seconds are what is wanted; on a busy machine a test must not fail over that. */
const sealedMsMax = 30_000

const homes: NodeHome[] = []
afterEach(async () => {
  for (const home of homes.splice(0)) await home.remove()
}, 60_000)

/** As many of each as asked for, in a random order. */
function victims({ pick }: ReturnType<typeof choicesFrom>): Victim[] {
  const left: Victim[] = [
    ...Array.from({ length: kills.node }, (): Victim => 'node'),
    ...Array.from({ length: kills.server }, (): Victim => 'server'),
  ]
  return Array.from({ length: all }, () => left.splice(pick(left.length), 1)).flat()
}

describe('kill -9 of the node and of PostgreSQL at random moments, under events that come in', () => {
  test(`loses and doubles no acknowledged event, over ${kills.node} and ${kills.server} kills`, {
    timeout: 120_000 + all * 60_000,
  }, async () => {
    const choices = choicesFrom(seed)
    const home = await nodeHome({ INGEST_SOURCES_JSON: JSON.stringify(loadSources), FUEL_HORIZON_S: '0' })
    homes.push(home)
    let node = home.start()
    let stage = 'starting'
    const load = ingestLoad({ url: node.url, seed, clients })
    onTestFailed(() => {
      process.stderr.write(`${stage}: ${JSON.stringify([load.counts, load.unexpected])}\n${node.said()}`)
    })
    await node.ready()

    const sealedMs: number[] = []
    for (const [n, victim] of victims(choices).entries()) {
      stage = `before kill ${n}, of: ${victim}`
      await load.more(1 + choices.pick(requestsBetweenMax))
      await pause(choices.pick(momentMsMax))
      stage = `after kill ${n}, of: ${victim}`
      node = await killAndRestart(victim, { home, node, choices })
      await node.ready()
      stage = `sealing after kill ${n}, of: ${victim}`
      sealedMs.push(await home.withDatabase(msUntilSealed))
      expect(await home.withDatabase(url => faultsNow(url, load)), `after a kill of: ${victim}`).toEqual([])
    }
    stage = 'after all kills'
    await load.more(requestsBetweenMax)
    await load.rest()
    stage = 'at rest'
    await home.withDatabase(async url => {
      await until(async () => (await countUnsealed(url)) === 0)
      expect(await faultsNow(url, load)).toEqual([])
      // All of it was sent until it was acknowledged, so there is nothing else.
      expect(new Set((await auditLog(url)).eventIds)).toEqual(load.acknowledged)
    })
    const worst = Math.max(...sealedMs)
    const { requests, again, replayed } = load.counts
    process.stderr.write(
      `${JSON.stringify({ requests, again, replayed, events: load.acknowledged.size, worstSealedMs: Math.round(worst) })}\n`,
    )
    expect(worst).toBeLessThan(sealedMsMax)
  })
})

/** Milliseconds until everything is in packets that is durable now. */
async function msUntilSealed(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url, types: columnTypes })
  await client.connect()
  try {
    const from = performance.now()
    const { rows: durable } = await client.query<{ id: number; seq: number }>(
      'select partition_id as id, next_seq as seq from partition_heads',
    )
    await until(async () => {
      const { rows } = await client.query<{ id: number; seq: number }>(
        'select partition_id as id, max(first_seq + count) as seq from packets group by partition_id',
      )
      const sealed = new Map(rows.map(({ id, seq }) => [id, seq]))
      return durable.every(({ id, seq }) => (sealed.get(id) ?? 0) >= seq)
    })
    return performance.now() - from
  } finally {
    await client.end()
  }
}

async function faultsNow(url: string, load: IngestLoad): Promise<string[]> {
  // Before the log is read: what is acknowledged meanwhile may be in it or not.
  const acknowledged = [...load.acknowledged]
  const { faults, eventIds } = await auditLog(url)
  const inLog = new Set(eventIds)
  const lost = acknowledged.filter(eventId => !inLog.has(eventId))
  return [
    ...faults,
    ...lost.map(eventId => `${eventId} was acknowledged, and is not in the log`),
    ...load.unexpected,
  ]
}
