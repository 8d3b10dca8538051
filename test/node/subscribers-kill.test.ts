import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Pool } from 'pg'
import { afterEach, describe, expect, onTestFailed, test } from 'vitest'
import { baseTopics } from '../../src/contract/names.ts'
import { openPool } from '../adapters/chain/open-pool.ts'
import { temporaryDatabase } from '../support/database.ts'
import { freePort } from '../support/free-port.ts'
import { certificateFor, submitCertificate } from '../support/made-up-certificates.ts'
import { until } from '../support/until.ts'
import { type ChildNode, type ChildSettings, startChildNode } from './child-node.ts'

const ending: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
}, 60_000)

describe('a node that hosts the topic of certificates and says so', () => {
  test('receives those of another node in their order, whichever of the two is killed', {
    timeout: 250_000,
  }, async () => {
    const publisher = await home({ LOCAL_BLOCK_MS: '200' })
    const subscriber = await home({ LOCAL_CHAIN_URL: `${publisher.url}/chain`, ASSAY_PEERS: publisher.url })
    onTestFailed(() => void process.stderr.write(`${publisher.said()}\n${subscriber.said()}`))
    await publisher.start()
    await subscriber.start()
    await until(async () => (await hostsIn(publisher.pool)) === 2)

    const admitted: string[] = []
    const more = async (count: number) => {
      for (let n = 0; n < count; n++) {
        const certificate = await certificateFor(publisher.url, admitted.length)
        await submitCertificate(publisher.url, certificate)
        admitted.push(certificate.txid)
      }
    }
    // What comes before the one has found the other is asked for at the next start, and counts for nothing here.
    const before = new Set<string>()
    await until(async () => {
      await more(1)
      await new Promise(resolve => setTimeout(resolve, 500))
      return (await inOrder(subscriber.pool)).length > 0
    })
    const [first] = await inOrder(subscriber.pool)
    for (const txid of admitted.slice(0, admitted.indexOf(first ?? ''))) before.add(txid)
    const arrived = () =>
      until(async () => {
        const there = (await inOrder(subscriber.pool)).filter(txid => !before.has(txid))
        return there.length >= admitted.length - before.size && there
      })
    const expected = () => admitted.filter(txid => !before.has(txid))
    await more(3)
    expect(await arrived()).toEqual(expected())

    await subscriber.kill()
    await more(3)
    await subscriber.start()
    await more(2)
    expect(await arrived()).toEqual(expected())

    await more(2)
    await publisher.kill()
    await publisher.start()
    expect(await arrived()).toEqual(expected())

    // Both gone, the one with something left to say.
    await subscriber.kill()
    await more(2)
    await publisher.kill()
    await publisher.start()
    await subscriber.start()
    expect(await arrived()).toEqual(expected())
    process.stdout.write(`told in order over 4 kills: ${expected().length} certificates\n`)
  })
})

type Home = {
  readonly url: string
  readonly pool: Pool
  said(): string
  start(): Promise<void>
  kill(): Promise<void>
}

/** A node's database, folder and address, which outlive its processes. Nobody asks others for what was missed. */
async function home(settings: ChildSettings): Promise<Home> {
  const database = await temporaryDatabase()
  const folder = path.join(tmpdir(), `assay-subscriber-${randomBytes(6).toString('hex')}`)
  const pool = openPool(database.url)
  const port = await freePort()
  let child: ChildNode | undefined
  ending.push(async () => {
    await child?.kill()
    await pool.end()
    await database.drop()
    await rm(folder, { recursive: true, force: true })
  })
  const said: string[] = []
  return {
    url: `http://127.0.0.1:${port}`,
    pool,
    said: () => [...said, child?.said() ?? ''].join('\n'),
    async start() {
      child = startChildNode({
        PORT: String(port),
        ASSAY_MASTER_KEY: '11'.repeat(32),
        DATABASE_URL: database.url,
        ASSAY_DATA_DIR: folder,
        ASSAY_SYNC_MS: '86400000',
        FUEL_HORIZON_S: '30',
        ...settings,
      })
      await child.ready()
    },
    async kill() {
      said.push(child?.said() ?? '')
      await child?.kill()
    },
  }
}

/** By when they were written, which is the order in which the topic has admitted them. */
async function inOrder(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ txid: string }>(
    `select encode(txid, 'hex') as txid from applied
      where topic = $1 and admitted <> array[]::integer[] order by written, txid`,
    [baseTopics.certified],
  )
  return rows.map(({ txid }) => txid)
}

async function hostsIn(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ hosts: number }>(
    `select count(distinct identity_key)::int as hosts from host_adverts where kind = 'SHIP' and name = $1`,
    [baseTopics.certified],
  )
  return rows[0]?.hosts ?? 0
}
