import type { PoolClient } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openActivityNotes } from '../../../src/adapters/registry/note-activity.ts'
import { openRegistryEpoch } from '../../../src/adapters/registry/registry-epoch.ts'
import { rotateSecret } from '../../../src/adapters/registry/secrets.ts'
import { openStreamsToSeal } from '../../../src/adapters/registry/streams-to-seal.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { silentLog } from '../../support/silent-log.ts'
import { until } from '../../support/until.ts'
import { type RegistryBed, registryBed } from './registry-bed.ts'

let bed: RegistryBed
beforeAll(async () => {
  bed = await registryBed()
  await bed.putSource({ sourceId: 'meter', authentication: 'hmac' })
  orThrow(await rotateSecret(bed.changes, 'meter', { who: 'test' }))
})
afterAll(() => bed.end())

const sql = (text: string, db: Pick<PoolClient, 'query'> = bed.database.pool) => db.query(text)
const epochNow = async (db?: PoolClient): Promise<number> =>
  (await sql('select epoch from registry_epoch', db)).rows[0].epoch

describe('as long as the epoch stays', () => {
  test('many sources and streams in use are asked for once, and from then on nothing but the epoch', async () => {
    const names = Array.from({ length: 50 }, (_, i) => `of-many-${i}`)
    for (const sourceId of names) await bed.putSource({ sourceId })
    const { registry, asked } = bed.openDeaf({ ageMsMax: 2 })
    const epochs = () => asked.filter(name => name === 'registry-epoch').length
    await until(async () => {
      for (const name of names) await Promise.all([registry.source(name), registry.stream(name)])
      return epochs() >= 10
    })
    const others = asked.filter(name => name !== 'registry-epoch')
    expect(others.filter(name => name === 'source-rows')).toHaveLength(names.length)
    expect(others.filter(name => name === 'stream-rows')).toHaveLength(names.length)
    expect(others).toHaveLength(2 * names.length + 1)
  })

  test('one reading of it serves sources, streams and secrets, and is not old for who asks within its age', async () => {
    const { registry, asked } = bed.openDeaf({ ageMsMax: 3_600_000 })
    for (let i = 0; i < 3; i++)
      await Promise.all([registry.source('meter'), registry.stream('meter'), registry.secrets('meter')])
    expect([...asked].sort()).toEqual([
      'policy-texts',
      'registry-epoch',
      'sealed-secrets',
      'source-rows',
      'stream-rows',
    ])
  })

  test('what is in use is asked for together once it has changed', async () => {
    const names = ['one', 'two', 'three']
    for (const sourceId of names) await bed.putSource({ sourceId })
    // Old as soon as it is read: every asking waits for the epoch.
    const { registry, asked } = bed.openDeaf({ ageMsMax: 0 })
    for (const name of names) await registry.source(name)
    asked.splice(0)
    await sql(`update overlay_event_sources set name = 'changed' where source_id = 'two'`)
    const found = []
    for (const name of names) found.push(await registry.source(name))
    expect(found.map(source => source?.name)).toEqual(['one', 'changed', 'three'])
    expect(asked.filter(name => name !== 'registry-epoch')).toEqual(['source-rows'])
  })
})

describe('what somebody changes by hand', () => {
  test('is seen at the next reading of the epoch', async () => {
    await bed.putSource({ sourceId: 'by-hand', authentication: 'hmac' })
    orThrow(await rotateSecret(bed.changes, 'by-hand', { who: 'test' }))
    const { registry } = bed.openDeaf({ ageMsMax: 0 })
    const toSeal = openStreamsToSeal(bed.database.pool, 0)
    expect(await registry.source('by-hand')).toMatchObject({ enabled: true })
    expect(await registry.stream('by-hand')).toMatchObject({ latenessMs: 2000 })
    expect(await toSeal('by-hand')).toMatchObject({ latenessMs: 2000 })
    expect(await registry.secrets('by-hand')).toHaveLength(1)

    await sql(`update overlay_event_sources set enabled = false where source_id = 'by-hand'`)
    expect(await registry.source('by-hand')).toMatchObject({ enabled: false })
    await sql(`update streams set lateness_ms = 7 where stream_id = 'by-hand'`)
    expect(await registry.stream('by-hand')).toMatchObject({ latenessMs: 7 })
    expect(await toSeal('by-hand')).toMatchObject({ latenessMs: 7 })
    await sql(`update source_secrets set until_ms = 1 where source_id = 'by-hand'`)
    expect(await registry.secrets('by-hand')).toEqual([])
  })

  test.each([
    `insert into overlay_event_sources (source_id, name, source_type) values ('new', 'new', 'poll')`,
    `update overlay_event_sources set trust_score = 7 where source_id = 'meter'`,
    `delete from overlay_event_sources where source_id = 'nobody'`,
    'truncate overlay_event_sources cascade',
    `insert into streams select (jsonb_populate_record(streams, '{"stream_id": "new"}')).* from streams
      where stream_id = 'meter'`,
    `update streams set published = false where stream_id = 'meter'`,
    `delete from streams where stream_id = 'nowhere'`,
    // Which what has been appended to partitions forbids as it is.
    'drop table partitions cascade; truncate streams cascade',
    `insert into source_secrets (source_id, number, sealed, fingerprint, created_ms) values ('meter', 9, '', '', 0)`,
    `update source_secrets set until_ms = 1 where source_id = 'meter'`,
    'delete from source_secrets',
    'truncate source_secrets',
    `insert into default_policies values ('meter', '{}') on conflict do nothing`,
    `update default_policies set settings = '{}'`,
    'delete from default_policies',
    'truncate default_policies',
  ])('raises the epoch: %s', async statement => {
    const client = await bed.database.pool.connect()
    try {
      await sql('begin', client)
      const before = await epochNow(client)
      await sql(statement, client)
      expect(await epochNow(client)).toBeGreaterThan(before)
    } finally {
      await sql('rollback', client)
      client.release()
    }
  })

  test('waits for another change before it holds any row, so that neither waits for the other', async () => {
    for (const sourceId of ['left', 'right']) await bed.putSource({ sourceId })
    const rename = (name: string, of: string) =>
      `update overlay_event_sources set name = '${name}' where source_id = '${of}'`
    const [first, second] = [await bed.database.pool.connect(), await bed.database.pool.connect()]
    try {
      const { pid } = (await sql('select pg_backend_pid() as pid', second)).rows[0]
      await sql(`begin; ${rename('first', 'left')}`, first)
      const waiting = sql(`begin; ${rename('second', 'right')}; ${rename('second', 'left')}; commit`, second)
      await until(async () => {
        const { rows } = await sql(`select cardinality(pg_blocking_pids(${pid})) as blocked`)
        return rows[0].blocked === 1
      })
      await sql(`${rename('first', 'right')}; commit`, first)
      await waiting
    } finally {
      first.release()
      second.release()
    }
    const { rows } = await sql(
      `select name from overlay_event_sources where source_id in ('left', 'right') order by source_id`,
    )
    expect(rows).toEqual([{ name: 'second' }, { name: 'second' }])
  })
})

describe('the epoch', () => {
  test('stays where a source is only heard of', async () => {
    const before = await epochNow()
    const notes = openActivityNotes({
      pool: bed.database.pool,
      log: silentLog,
      now: () => bed.clock.nowMs,
      everyMs: 3_600_000,
    })
    notes.note(['meter'])
    await notes.stop()
    const { rows } = await sql(
      `select last_activity_at is not null as heard from overlay_event_sources where source_id = 'meter'`,
    )
    expect(rows).toEqual([{ heard: true }])
    expect(await epochNow()).toBe(before)
  })

  test('is raised by every column of a source but those that no source is made of', async () => {
    const { rows } = await sql(
      `select column_name as name from information_schema.columns
        where table_schema = current_schema() and table_name = 'overlay_event_sources'
      except select event_object_column from information_schema.triggered_update_columns
        where trigger_schema = current_schema() and trigger_name = 'registry_epoch'
      order by name`,
    )
    expect(rows.map(({ name }) => name)).toEqual([
      'created_at',
      'last_activity_at',
      'limits_by_operator',
      // What policy holds is its streams' to say.
      'mapping_policy',
      'off_by_operator',
      'ship_advertisement_id',
      'updated_at',
      'validation_rules',
    ])
  })

  test('is missed by name, and only as long as it is not there', async () => {
    const epoch = openRegistryEpoch(bed.database.pool, 0)
    const before = await epochNow()
    await sql('delete from registry_epoch')
    await expect(epoch()).rejects.toThrow('registry_epoch has lost its row')
    await sql(`insert into registry_epoch (epoch) values (${before + 1})`)
    expect(await epoch()).toBe(before + 1)
  })
})
