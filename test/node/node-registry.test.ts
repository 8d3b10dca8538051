import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/adapters/postgres/database.ts'
import { showSource } from '../../src/adapters/registry/list-registry.ts'
import { openNodeRegistry } from '../../src/node/node-registry.ts'
import { readSettings } from '../../src/runtime/settings.ts'
import { openStops } from '../../src/runtime/stops.ts'
import { migratedDatabase } from '../support/migrated-database.ts'
import { silentLog } from '../support/silent-log.ts'

let database: Database
beforeAll(async () => {
  database = await migratedDatabase()
})
afterAll(() => database.close())

async function opened(env: Record<string, string> = {}) {
  const settings = readSettings({ ASSAY_MASTER_KEY: '11'.repeat(32), ...env })
  const stops = openStops(silentLog)
  return { ...(await openNodeRegistry(settings, { database, log: silentLog, stops })), stop: stops.run }
}

const publicNetwork = {
  ASSAY_NETWORK: 'testnet',
  WALLET_KEY: '01'.repeat(32),
  ARC_URL: 'http://127.0.0.1:2',
  HEADERS_URL: 'http://127.0.0.1:2',
  ASSAY_DATA_DIR: '.assay-never-made',
}

describe('the registry of a node', () => {
  test('has nothing to begin with on a public network, and two sources on the local one', async () => {
    const there = await opened(publicNetwork)
    expect(await there.registry.source('src_demo')).toBeUndefined()
    await there.stop()
    const here = await opened()
    expect(await here.registry.source('src_demo')).toMatchObject({ type: 'webhook', authentication: 'none' })
    expect(await here.registry.source('default')).toMatchObject({ name: 'anonymous/default' })
    expect(await here.registry.stream('src_demo')).toMatchObject({ audience: 'public' })
    await here.stop()
  })

  test('follows its settings', async () => {
    const node = await opened({
      INGEST_SOURCES_JSON:
        '[{"id":"feed1","secret":"a secret of the seed"},{"id":"bare","authentication":"hmac"}]',
      NORMALIZE_POLICY_JSON: '{"required":["id","ts"],"coerce":{"ts":"iso8601->epoch"}}',
    })
    expect(await node.registry.secrets('feed1')).toHaveLength(1)
    expect((await node.registry.stream('feed1'))?.policy.sources['*']?.required).toEqual(['/id', '/ts'])
    expect(await node.sourcesWithoutSecret()).toEqual(['bare'])
    await node.stop()
  })

  test('has written who was active when it has stopped', async () => {
    const node = await opened()
    node.noteActivity(['src_demo'])
    await node.stop()
    expect((await showSource(database.pool, 'src_demo'))?.lastActivityMs).toBeGreaterThan(0)
    expect((await showSource(database.pool, 'default'))?.lastActivityMs).toBeNull()
  })
})
