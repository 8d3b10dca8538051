import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChangeDeps } from '../../../src/adapters/registry/changing.ts'
import {
  followDefaultPolicies,
  followGivenSources,
  provide,
} from '../../../src/adapters/registry/follow-settings.ts'
import { putStream } from '../../../src/adapters/registry/put-stream.ts'
import { revokeSecret, shownSecrets } from '../../../src/adapters/registry/secrets.ts'
import { utf8 } from '../../../src/core/bytes.ts'
import type { Json } from '../../../src/core/canonical-json.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { readSource } from '../../../src/core/registry/read-source.ts'
import { readStream } from '../../../src/core/registry/read-stream.ts'
import { readSettings } from '../../../src/runtime/settings.ts'
import { type RegistryBed, registryBed } from './registry-bed.ts'

let bed: RegistryBed
beforeAll(async () => {
  bed = await registryBed()
})
afterAll(() => bed.end())

const follow = (sources: Json) => {
  const { INGEST_SOURCES_JSON: given = [] } = readSettings({ INGEST_SOURCES_JSON: JSON.stringify(sources) })
  return followGivenSources(bed.changes, given)
}
const changeCount = async () => {
  const { rows } = await bed.database.pool.query('select count(*) as count from registry_changes')
  return Number(rows[0].count)
}

describe('INGEST_SOURCES_JSON', () => {
  const feed = { id: 'feed1', secret: 'a secret of the seed', type: 'webhook' }

  test('registers sources with their secrets, and nothing twice', async () => {
    await follow([feed, { id: 'feed2', trustWeight: 3 }])
    const registry = bed.open()
    expect(await registry.source('feed1')).toMatchObject({ type: 'webhook', authentication: 'hmac' })
    expect(await registry.secrets('feed1')).toEqual([utf8('a secret of the seed')])
    expect(await registry.source('feed2')).toMatchObject({ authentication: 'none', trustWeight: 3 })
    const changes = await changeCount()
    await follow([{ trustWeight: 3, id: 'feed2' }, feed])
    expect(await changeCount()).toBe(changes)
  })

  test('stays out of the way of whoever changes a source afterwards', async () => {
    await follow([feed])
    await bed.putSource({ sourceId: 'feed1', authentication: 'hmac', name: 'by hand' })
    await follow([feed])
    expect(await bed.open().source('feed1')).toMatchObject({ name: 'by hand' })
    await follow([{ ...feed, name: 'by settings' }])
    expect(await bed.open().source('feed1')).toMatchObject({ name: 'by settings' })
    expect(await shownSecrets(bed.database.pool, 'feed1')).toHaveLength(1)
  })

  test('goes back to a secret that was to end, and ends the one that had taken over', async () => {
    const first = { id: 'feed5', secret: 'the first of feed5' }
    const second = { id: 'feed5', secret: 'the second of feed5' }
    for (const given of [first, second, first]) await follow([given])
    const secrets = await shownSecrets(bed.database.pool, 'feed5')
    expect(secrets).toMatchObject([
      { number: 2, untilMs: expect.any(Number) },
      { number: 1, untilMs: null },
    ])
    await follow([first])
    expect(await shownSecrets(bed.database.pool, 'feed5')).toEqual(secrets)
  })

  test('lets another secret take over from the one before', async () => {
    await follow([{ id: 'feed3', secret: 'the first secret' }])
    await follow([{ id: 'feed3', secret: 'the second secret' }])
    expect(await bed.open().secrets('feed3')).toEqual([utf8('the second secret'), utf8('the first secret')])
  })

  test('does not bring back a secret that was revoked', async () => {
    const once = { id: 'feed4', secret: 'known to too many' }
    await follow([once])
    await revokeSecret(bed.changes, 'feed4', 1, 'test')
    await follow([once])
    expect(await bed.open().secrets('feed4')).toEqual([])
    await expect(follow([{ ...once, name: 'other' }])).rejects.toThrow(
      'INGEST_SOURCES_JSON: source feed4: /secret: this is secret 1 of source feed4, which is over',
    )
  })

  test('is nowhere in the database', async () => {
    await follow([feed])
    const { rows } = await bed.database.pool.query(
      `select json_agg(s)::text as all from overlay_event_sources as s`,
    )
    expect(rows[0].all).not.toContain('secret')
  })

  test.each<[string, Json, string]>([
    ['a member that is none', [{ id: 'x', secrett: 'hunter2hunter2hunter2' }], '/0/secrett'],
    ['a short secret', [{ id: 'x', secret: 'hunter2' }], '/0/secret'],
    [
      'a secret that nothing is signed with',
      [{ id: 'x', secret: 'hunter2'.repeat(3), authentication: 'none' }],
      '/0',
    ],
    ['one id twice', [{ id: 'x' }, { sourceId: 'x' }], '/1'],
    ['two ids', [{ id: 'x', sourceId: 'x' }], '/0/id'],
    ['no list', { id: 'hunter2' }, 'list of sources'],
  ])('is refused with %s, and its complaint has nothing of it', (_, sources, said) => {
    const complaint = complaintAbout(JSON.stringify(sources))
    expect(complaint).toContain('INGEST_SOURCES_JSON: ')
    expect(complaint).toContain(said)
    expect(complaint).not.toContain('hunter2')
    expect(complaintAbout('hunter2')).not.toContain('hunter2')
  })
})

describe('NORMALIZE_POLICY_JSON and FUSION_POLICY_JSON', () => {
  const withSettings = (env: Record<string, string>): ChangeDeps => {
    const { NORMALIZE_POLICY_JSON: normalize, FUSION_POLICY_JSON: fusion } = readSettings(env)
    return { ...bed.changes, defaults: { normalize, fusion } }
  }
  const seeds = () =>
    withSettings({
      NORMALIZE_POLICY_JSON: '{"required":["id","ts"],"coerce":{"ts":"iso8601->epoch"}}',
      FUSION_POLICY_JSON: '{"strategy":"quorum","min":2,"priority":["sourceA","sourceB"]}',
    })
  const policyOf = async (streamId: string) => (await bed.open().stream(streamId))?.policy

  test('hold in streams without a policy of their own, for sources without one', async () => {
    orThrow(await putStream(seeds(), orThrow(readStream({ streamId: 'plain' })), 'test'))
    await bed.putSource({ sourceId: 'exact', streams: ['plain'], policy: { required: ['x'] } })
    expect(await policyOf('plain')).toMatchObject({
      sources: {
        '*': { required: ['/id', '/ts'], coercion: { '/ts': 'iso8601->epoch' } },
        exact: { required: ['/x'] },
      },
      fusion: { strategy: 'quorum', min: 2 },
    })
  })

  test('are followed by such streams when they change, and by no others', async () => {
    orThrow(await putStream(seeds(), orThrow(readStream({ streamId: 'following' })), 'test'))
    await bed.putStream({ streamId: 'own', policy: { v: 1, license: 'L' } })
    const changed = withSettings({ NORMALIZE_POLICY_JSON: '{"required":["id"]}' })
    await followDefaultPolicies(changed)
    expect((await policyOf('following'))?.sources).toEqual({ '*': { required: ['/id'] } })
    expect((await policyOf('following'))?.fusion).toBeUndefined()
    expect(await bed.open().stream('own')).toMatchObject({ policyNo: 1, policy: { license: 'L' } })
    const changes = await changeCount()
    await followDefaultPolicies(changed)
    expect(await changeCount()).toBe(changes)
  })

  test('are not lost where somebody without these settings changes something else', async () => {
    orThrow(await putStream(seeds(), orThrow(readStream({ streamId: 'kept' })), 'test'))
    await bed.putSource({ sourceId: 'late', streams: ['kept'] })
    await bed.putStream({ streamId: 'kept', domain: 'other' })
    expect((await policyOf('kept'))?.sources).toHaveProperty('*')
    expect((await policyOf('kept'))?.fusion).toBeDefined()
  })

  test('are refused where a stream cannot have them, which is named', async () => {
    await bed.putStream({ streamId: 'wide', shards: { by: 'event-id', count: 4 } })
    await expect(followDefaultPolicies(seeds())).rejects.toThrow('in stream wide')
    await bed.putStream({ streamId: 'wide', shards: { by: 'event-id', count: 4 }, policy: { v: 1 } })
    await followDefaultPolicies(seeds())
  })
})

describe('what a local network begins with', () => {
  const demo = orThrow(readSource({ sourceId: 'src_demo' }))

  test('is made once, and stays as it was changed', async () => {
    await provide(bed.changes, [demo])
    expect(await bed.open().source('src_demo')).toMatchObject({ streams: ['src_demo'], enabled: true })
    await bed.putSource({ sourceId: 'src_demo', enabled: false })
    await provide(bed.changes, [demo])
    expect(await bed.open().source('src_demo')).toMatchObject({ enabled: false })
  })
})

function complaintAbout(text: string): string {
  try {
    readSettings({ INGEST_SOURCES_JSON: text })
  } catch (error) {
    return String(error)
  }
  throw new Error('these settings were taken')
}
