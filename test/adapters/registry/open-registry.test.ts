import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  listSources,
  listStreams,
  showSource,
  showStream,
} from '../../../src/adapters/registry/list-registry.ts'
import { openActivityNotes } from '../../../src/adapters/registry/note-activity.ts'
import { silentLog } from '../../support/silent-log.ts'
import { until } from '../../support/until.ts'
import { type RegistryBed, registryBed } from './registry-bed.ts'

let bed: RegistryBed
beforeAll(async () => {
  bed = await registryBed()
})
afterAll(() => bed.end())

/** So that nothing but a notification can bring news. */
const never = { ageMsMax: 3_600_000 }

describe('a registry', () => {
  test('knows no source and no stream that nobody has put', async () => {
    const registry = bed.open()
    expect(await registry.source('nobody')).toBeUndefined()
    expect(await registry.stream('nowhere')).toBeUndefined()
    expect(await registry.secrets('nobody')).toEqual([])
  })

  test('is asked for a name that no row can have, and answers whoever asks at the same time', async () => {
    await bed.putSource({ sourceId: 'beside' })
    const registry = bed.open()
    const asked = ['a\0b', 'beside'].map(name => [registry.source(name), registry.stream(name)])
    const [made = [], beside = []] = await Promise.all(asked.map(both => Promise.all(both)))
    expect(made).toEqual([undefined, undefined])
    expect(beside).toMatchObject([{ sourceId: 'beside' }, { streamId: 'beside' }])
    expect(await registry.secrets('\0')).toEqual([])
  })

  test('gives a source and its stream as they were put, defaults filled in', async () => {
    await bed.putSource({ sourceId: 'meter', type: 'mqtt', eventType: 'reading', trustWeight: 2 })
    const registry = bed.open()
    expect(await registry.source('meter')).toEqual({
      sourceId: 'meter',
      name: 'meter',
      type: 'mqtt',
      enabled: true,
      authentication: 'none',
      allowlist: [],
      streams: ['meter'],
      unknownStream: 'refuse',
      sourceVersion: '1',
      eventType: 'reading',
      payloadType: 'GENERIC_JSON_V1',
      dataVersion: '1',
      time: { skewMsMax: 5000, onFuture: 'flag', onStale: 'flag' },
      limits: {},
      overlayTopics: [],
      trustWeight: 2,
      trustScore: 50,
    })
    expect(await registry.stream('meter')).toMatchObject({
      streamId: 'meter',
      audience: 'public',
      level: 'enhanced',
      shards: { by: 'key', count: 1 },
      policy: { constants: ['domain', 'schemaVersion', 'sourceId', 'sourceVersion', 'streamId'] },
      policyNo: 1,
    })
  })

  test('hears of what another has changed, made and switched off', async () => {
    const registry = bed.open(never)
    await bed.putSource({ sourceId: 'told', name: 'one' })
    expect(await registry.source('told')).toMatchObject({ name: 'one' })
    expect(await registry.stream('told-later')).toBeUndefined()
    await bed.putSource({ sourceId: 'told', name: 'two', enabled: false })
    await bed.putStream({ streamId: 'told-later', domain: 'weather' })
    await until(async () => (await registry.source('told'))?.name === 'two')
    expect(await registry.source('told')).toMatchObject({ enabled: false })
    await until(async () => (await registry.stream('told-later'))?.domain === 'weather')
  })

  test('goes on hearing after its connection was lost', async () => {
    const registry = bed.open(never)
    await bed.putSource({ sourceId: 'lost', name: 'one' })
    expect(await registry.source('lost')).toMatchObject({ name: 'one' })
    await until(async () => (await endListeners()) > 0)
    await bed.putSource({ sourceId: 'lost', name: 'two' })
    await until(async () => (await registry.source('lost'))?.name === 'two')
    await bed.putSource({ sourceId: 'lost', name: 'three' })
    await until(async () => (await registry.source('lost'))?.name === 'three')
  })

  test('is at most so old where nothing is heard', async () => {
    const { registry } = bed.openDeaf({ ageMsMax: 1 })
    await bed.putSource({ sourceId: 'unheard', name: 'one' })
    expect(await registry.source('unheard')).toMatchObject({ name: 'one' })
    await bed.putSource({ sourceId: 'unheard', name: 'two' })
    await until(async () => (await registry.source('unheard'))?.name === 'two')
  })

  test('gives the same objects as long as nothing has changed, so that what is made of them lasts', async () => {
    await bed.putSource({ sourceId: 'same' })
    await bed.putSource({ sourceId: 'other', streams: ['same'], policy: { required: ['ts'] } })
    const registry = bed.open()
    const before = [await registry.source('same'), await registry.stream('same')]
    registry.forget()
    const after = [await registry.source('same'), await registry.stream('same')]
    expect(after[0]).toBe(before[0])
    expect(after[1]).toBe(before[1])
    const stream = await registry.stream('same')
    await bed.putStream({ streamId: 'same', domain: 'other' })
    registry.forget()
    const renamed = await registry.stream('same')
    expect(renamed?.domain).toBe('other')
    expect(renamed?.policy).toBe(stream?.policy)
  })

  test('reads once for all who ask at the same time', async () => {
    await bed.putSource({ sourceId: 'asked' })
    const { registry, asked } = bed.openDeaf(never)
    await Promise.all(
      Array.from({ length: 100 }, (_, i) => registry.source(i % 2 === 0 ? 'asked' : `unknown-${i}`)),
    )
    expect(asked).toEqual(['registry-epoch', 'source-rows'])
  })

  test('names the source whose row cannot be read, and still reads the others', async () => {
    await bed.putSource({ sourceId: 'sound' })
    await bed.database.pool.query(
      `insert into overlay_event_sources (source_id, name, source_type, configuration)
         values ('odd', 'odd', 'webhook', '{"colour":"red"}'), ('plain', 'as the seed has it', 'poll', '{}')`,
    )
    const registry = bed.open()
    const [odd, sound, plain] = await Promise.allSettled(['odd', 'sound', 'plain'].map(registry.source))
    expect(odd).toMatchObject({ reason: { message: expect.stringContaining('source odd') } })
    expect(sound).toMatchObject({ value: { sourceId: 'sound' } })
    expect(plain).toMatchObject({ value: { type: 'poll', streams: ['plain'] } })
    await bed.database.pool.query(`delete from overlay_event_sources where source_id in ('odd', 'plain')`)
  })
})

describe('the list of sources and streams', () => {
  test('shows a tenant its own, and nobody else’s', async () => {
    await bed.putSource({ sourceId: 'acme-1', tenantId: 'acme' })
    await bed.putSource({ sourceId: 'umbra-1', tenantId: 'umbra' })
    const { pool } = bed.database
    const acme = { tenantId: 'acme' }
    expect((await listSources(pool, acme)).map(({ source }) => source.sourceId)).toEqual(['acme-1'])
    expect((await listStreams(pool, acme)).map(({ stream }) => stream.streamId)).toEqual(['acme-1'])
    expect(await showSource(pool, 'umbra-1', acme)).toBeUndefined()
    expect(await showStream(pool, 'umbra-1', acme)).toBeUndefined()
    expect(await showStream(pool, 'umbra-1')).toMatchObject({ policyByDefault: true })
  })

  test('comes in pages', async () => {
    const all = (await listSources(bed.database.pool)).map(({ source }) => source.sourceId)
    const [first = ''] = all
    const rest = await listSources(bed.database.pool, { after: first, limit: 1 })
    expect(rest.map(({ source }) => source.sourceId)).toEqual(all.slice(1, 2))
  })

  test('is also there under the names that the seeds give it', async () => {
    await bed.putSource({ sourceId: 'seeded', name: 'Seeded', enabled: false, policy: { map: { t: 'x.t' } } })
    const seconds = bed.clock.nowMs / 1000
    const { rows } = await bed.database.pool.query(`select * from ingest_sources where source_id = 'seeded'`)
    expect(rows).toEqual([
      {
        source_id: 'seeded',
        name: 'Seeded',
        mapping_json: '{"map": {"/t": "/x/t"}}',
        enabled: 0,
        created_at: seconds,
        updated_at: seconds,
      },
    ])
    const weights = await bed.database.pool.query(
      `select trust_weight, reputation from sources where source_id = 'seeded'`,
    )
    expect(weights.rows).toEqual([{ trust_weight: 1, reputation: 0.5 }])
  })
})

describe('when a source was last heard of', () => {
  test('is written once in a while, and when the node stops', async () => {
    await bed.putSource({ sourceId: 'active' })
    const notes = openActivityNotes({
      pool: bed.database.pool,
      log: silentLog,
      now: () => bed.clock.nowMs,
      everyMs: 3_600_000,
    })
    notes.note(['active', 'active', 'nobody'])
    await notes.stop()
    expect(await showSource(bed.database.pool, 'active')).toMatchObject({ lastActivityMs: bed.clock.nowMs })
  })
})

async function endListeners(): Promise<number> {
  const { rowCount } = await bed.database.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and query = 'listen assay_registry'`,
  )
  return rowCount ?? 0
}
