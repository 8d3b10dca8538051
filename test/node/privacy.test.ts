import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { type Database, openDatabase } from '../../src/adapters/postgres/database.ts'
import { putSource } from '../../src/adapters/registry/put-source.ts'
import { putStream } from '../../src/adapters/registry/put-stream.ts'
import { rotateSecret } from '../../src/adapters/registry/secrets.ts'
import type { Json } from '../../src/core/canonical-json.ts'
import { orThrow } from '../../src/core/fault.ts'
import { readSource } from '../../src/core/registry/read-source.ts'
import { readStream } from '../../src/core/registry/read-stream.ts'
import type { Source } from '../../src/core/registry/source.ts'
import type { NodeLog } from '../../src/node/node-log.ts'
import { openNodeLog } from '../../src/node/node-log.ts'
import { openNodePackets } from '../../src/node/node-packets.ts'
import { openNodeRegistry } from '../../src/node/node-registry.ts'
import { startNodeSealing } from '../../src/node/node-sealing.ts'
import { openNodeStorage } from '../../src/node/node-storage.ts'
import { openLog } from '../../src/runtime/log.ts'
import { openMetrics } from '../../src/runtime/metrics.ts'
import { readSettings } from '../../src/runtime/settings.ts'
import { openStops, type Stops } from '../../src/runtime/stops.ts'
import { arrivedWith } from '../support/log-bed.ts'
import { publishedRows } from '../support/published.ts'
import { runningNode, type TestNode } from '../support/running-node.ts'
import { silentLog } from '../support/silent-log.ts'
import { until } from '../support/until.ts'

const adminToken = 'planted-token-of-an-admin'
const masterKey = '5e'.repeat(32)

let node: TestNode
let folder: string
let database: Database
let stops: Stops
let shownSecret: string
let closedIds: string[]
const logged: string[] = []
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'assay-privacy-'))
  node = await runningNode({ ASSAY_DATA_DIR: folder, ASSAY_MASTER_KEY: masterKey, ADMIN_TOKEN: adminToken })
  database = await openDatabase({ url: node.databaseUrl, log: silentLog, applicationName: 'test' })
  const log = openLog('trace', { write: line => void logged.push(line) })
  stops = openStops(log)
  await publish(log)
}, 120_000)
afterAll(async () => {
  await stops.run()
  await database.close()
  await node.end()
  rmSync(folder, { recursive: true, force: true })
})

/** A second node of the same database, as far as events go: they are posted, sealed and stored. */
async function publish(log: ReturnType<typeof openLog>) {
  const settings = readSettings({
    DATABASE_URL: node.databaseUrl,
    ASSAY_DATA_DIR: folder,
    ASSAY_MASTER_KEY: masterKey,
    EVENT_BUFFER_MS: '50',
  })
  const metrics = openMetrics()
  const { registry, changes } = await openNodeRegistry(settings, { database, log, stops })
  orThrow(await putStream(changes, orThrow(readStream({ streamId: 'open', level: 'basic' })), 'test'))
  orThrow(
    await putStream(
      changes,
      orThrow(readStream({ streamId: 'closed', level: 'basic', audience: 'restricted' })),
      'test',
    ),
  )
  orThrow(
    await putSource(
      changes,
      orThrow(readSource({ sourceId: 'sensor-1', authentication: 'hmac', streams: ['open', 'closed'] })),
      'test',
    ),
  )
  shownSecret = orThrow(await rotateSecret(changes, 'sensor-1', { who: 'test' })).secret
  const { store } = await openNodeStorage(settings, database, { log, metrics, stops })
  const parts = { database, store, log, stops, now: Date.now }
  const packets = await openNodePackets(settings, parts)
  const sealing = await startNodeSealing(settings, { ...parts, registry, metrics })
  const { accept } = openNodeLog(settings, {
    database,
    registry,
    logKey: z.object({ logKey: z.string() }).parse(await (await fetch(`${node.url}/identity`)).json()).logKey,
    now: Date.now,
    begin: packets.begin,
    onAppended: sealing.wake,
    log,
    stops,
  })
  const source = await registry.source('sensor-1')
  if (source === undefined) throw new Error('the source is not there')
  await sendAll(accept, source)
  await until(async () => {
    const { rows } = await database.pool.query<{ left: number }>(
      `select count(*) as left from partition_heads where next_seq > coalesce(
          (select max(first_seq + count) from packets where packets.partition_id = partition_heads.partition_id), 0)`,
    )
    return rows[0]?.left === 0
  })
}

async function sendAll(accept: NodeLog['accept'], source: Source) {
  const item = (n: number, provenance?: Json): Json => ({
    id: `e-${n}`,
    type: 'reading',
    source: 'sensor-1',
    timestamp: 1_700_000_000_000 + n,
    data: { text: `payload-${n}-planted` },
    ...(provenance !== undefined && { provenance }),
  })
  const send = async (streamId: string, items: readonly Json[]) => {
    const outcome = await accept(arrivedWith(items, { source, streamId, receivedMs: Date.now() }))
    return outcome.kind === 'answered' ? outcome.items : []
  }
  const open = await send('open', [
    item(1),
    item(2, { policyTags: ['PII'] }),
    item(3, { classification: 'SECRET' }),
  ])
  expect(open.map(({ status }) => status)).toEqual(['accepted', 'quarantined', 'quarantined'])
  const closed = await send('closed', [
    item(4),
    item(5, { policyTags: ['PII'], classification: 'TOP_SECRET' }),
  ])
  closedIds = closed.flatMap(answer => (answer.status === 'accepted' ? [answer.eventId] : []))
  expect(closedIds).toHaveLength(2)
}

/** Objects of the store, as somebody gets them who is nobody. */
async function objectsForAll() {
  const { rows } = await database.pool.query<{ sha256: string; audience: string }>(
    `select encode(sha256, 'hex') as sha256, audience from uhrp_retentions`,
  )
  return Promise.all(
    rows.map(async ({ sha256, audience }) => {
      const response = await fetch(`${node.url}/uhrp/${sha256}`)
      return { sha256, audience, status: response.status, text: await response.text() }
    }),
  )
}

async function published(): Promise<[where: string, text: string][]> {
  const routes = ['/metrics', '/health', '/identity', '/admin/config']
  const answered = await Promise.all(
    routes.map(async route => [route, await (await fetch(`${node.url}${route}`)).text()] as [string, string]),
  )
  const objects = await objectsForAll()
  return [
    ...(await publishedRows(database.pool)),
    ...answered,
    ...objects.map(({ sha256, text }): [string, string] => [`object ${sha256}`, text]),
    ['log', logged.join('')],
  ]
}

describe('what a whole node lets strangers see', () => {
  test('is what was meant for everybody', async () => {
    expect(
      (await published()).filter(([, text]) => text.includes('payload-1-planted')).length,
    ).toBeGreaterThan(1)
  })

  test.each([2, 3, 4, 5])('has nothing of payload %i, which was not', async n => {
    for (const [where, text] of await published()) expect(text, where).not.toContain(`payload-${n}-planted`)
  })

  test('has no id of an event of a restricted stream', async () => {
    for (const [where, text] of await published())
      for (const eventId of closedIds) expect(text, where).not.toContain(eventId)
  })

  test('does not even say that there is a restricted packet, in no answer and no advert', async () => {
    const objects = await objectsForAll()
    const closed = objects.filter(({ audience }) => audience === 'restricted')
    expect(closed.map(({ status }) => status)).toEqual([404])
    const { rows } = await database.pool.query(`select encode(sha256, 'hex') as sha256 from uhrp_own_adverts`)
    expect(rows.map(({ sha256 }) => sha256)).not.toContain(closed[0]?.sha256)
  })

  test('has no payload in any line of its log, however much is logged', () => {
    expect(logged.join('')).not.toContain('planted')
  })
})

describe('a secret', () => {
  test('stands nowhere in the database as it is, and in no log', async () => {
    const { rows: tables } = await database.pool.query<{ name: string }>(
      `select table_name as name from information_schema.tables
        where table_schema = 'public' and table_type = 'BASE TABLE'`,
    )
    const raw = Buffer.from(shownSecret.replace(/^whsec_/, ''), 'base64')
    expect(raw).toHaveLength(32)
    const spellings = [shownSecret.replace(/^whsec_/, ''), raw.toString('hex'), masterKey, adminToken]
    for (const { name } of tables) {
      const { rows } = await database.pool.query<{ text: string | null }>(
        `select string_agg(each::text, ' ') as text from "${name}" as each`,
      )
      for (const spelling of spellings) expect(rows[0]?.text ?? '', name).not.toContain(spelling)
    }
    for (const spelling of spellings) expect(logged.join('')).not.toContain(spelling)
    expect(logged.join('')).not.toContain(new URL(node.databaseUrl).password || 'no password')
  })
})
