import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { putSource } from '../../../src/adapters/registry/put-source.ts'
import { putStream } from '../../../src/adapters/registry/put-stream.ts'
import type { Json } from '../../../src/core/canonical-json.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { policyDigest } from '../../../src/core/policy/policy-set.ts'
import { readSource } from '../../../src/core/registry/read-source.ts'
import { readStream } from '../../../src/core/registry/read-stream.ts'
import type { Stream } from '../../../src/core/registry/stream.ts'
import { party } from '../../support/pipeline.ts'
import { type RegistryBed, registryBed } from './registry-bed.ts'

let bed: RegistryBed
beforeAll(async () => {
  bed = await registryBed()
})
afterAll(() => bed.end())

const stream = async (streamId: string): Promise<Stream> => {
  const found = await bed.open().stream(streamId)
  if (found === undefined) throw new Error(`there is no stream ${streamId}`)
  return found
}
const refusal = async (document: { readonly [member: string]: Json }) => {
  const outcome =
    'streamId' in document
      ? await putStream(bed.changes, orThrow(readStream(document)), 'test')
      : await putSource(bed.changes, orThrow(readSource(document)), 'test')
  return outcome.ok ? undefined : outcome.fault
}
const changesOf = async (subject: string) => {
  const { rows } = await bed.database.pool.query(
    `select kind, what, who, at_ms as "atMs" from registry_changes where subject = $1 order by id`,
    [subject],
  )
  return rows
}

describe('putting a source', () => {
  test('says what it did, and nothing twice', async () => {
    expect(await bed.putSource({ sourceId: 'a' })).toMatchObject({ did: 'created' })
    expect(await bed.putSource({ sourceId: 'a', name: 'A' })).toMatchObject({ did: 'changed' })
    expect(await bed.putSource({ name: 'A', sourceId: 'a', enabled: true })).toMatchObject({ did: 'nothing' })
    expect((await changesOf('a')).map(({ kind, what }) => `${kind} ${what}`)).toEqual([
      'stream created',
      'source created',
      'source changed',
    ])
  })

  test('puts its policy into the sets of its streams, and takes it out again', async () => {
    await bed.putSource({ sourceId: 'p', streams: ['p-1', 'p-2'], policy: { required: ['ts'] } })
    const first = await stream('p-1')
    expect(first.policy.sources).toEqual({ p: { required: ['/ts'] } })
    expect(first.policyDigest).toBe(policyDigest(first.policy))

    await bed.putSource({ sourceId: 'p', streams: ['p-1'], policy: { required: ['ts', 'val'] } })
    const second = await stream('p-1')
    expect(second.policy.sources).toEqual({ p: { required: ['/ts', '/val'] } })
    expect([second.policyNo, second.policyDigest === first.policyDigest]).toEqual([2, false])
    expect((await stream('p-2')).policy.sources).toEqual({})

    await bed.putSource({ sourceId: 'p', streams: ['p-1'] })
    expect(await stream('p-1')).toMatchObject({ policyNo: 3, policy: { sources: {} } })
  })

  test('leaves a policy that says nothing where another would speak for it', async () => {
    await bed.putStream({ streamId: 'spoken', policy: { v: 1, sources: { '*': { required: ['ts'] } } } })
    await bed.putSource({ sourceId: 'silent', streams: ['spoken'], policy: {} })
    expect((await stream('spoken')).policy.sources).toEqual({ '*': { required: ['/ts'] }, silent: {} })
    await bed.putSource({ sourceId: 'silent', streams: ['spoken'] })
    expect((await stream('spoken')).policy.sources).toEqual({ '*': { required: ['/ts'] } })
  })

  test('lets headers name the source only while it is the only one', async () => {
    await bed.putSource({ sourceId: 'one', streams: ['shared'] })
    expect((await stream('shared')).policy.constants).toContain('sourceId')
    await bed.putSource({ sourceId: 'two', streams: ['shared'] })
    const shared = await stream('shared')
    expect(shared.policy.constants).toEqual(['domain', 'schemaVersion', 'streamId'])
    expect(shared.policyNo).toBe(2)
    await bed.putSource({ sourceId: 'two' })
    expect((await stream('shared')).policy.constants).toContain('sourceId')
  })

  test('counts no change of policy where many put the same at the same time', async () => {
    const document = { sourceId: 'busy', streams: ['busy-stream'], policy: { required: ['ts'] } }
    const did = await Promise.all(Array.from({ length: 8 }, () => bed.putSource(document)))
    expect(did.map(put => put.did).sort()).toEqual(['created', ...Array(7).fill('nothing')])
    expect(await stream('busy-stream')).toMatchObject({ policyNo: 1 })
  })

  test('loses no policy where many put different sources into one stream at the same time', async () => {
    const ids = ['c-1', 'c-2', 'c-3', 'c-4', 'c-5', 'c-6']
    await Promise.all(
      ids.map(sourceId => bed.putSource({ sourceId, streams: ['crowd'], policy: { required: [sourceId] } })),
    )
    const { policy, policyNo } = await stream('crowd')
    expect(Object.keys(policy.sources)).toEqual(ids)
    expect(policyNo).toBe(ids.length)
  })

  test('refuses a stream of another tenant, and changes nothing then', async () => {
    await bed.putStream({ streamId: 'acme-only', tenantId: 'acme' })
    const fault = await refusal({
      sourceId: 'intruder',
      streams: ['intruder', 'acme-only'],
      tenantId: 'evil',
    })
    expect(fault).toMatchObject({ pointer: '/streams', detail: expect.stringContaining('another tenant') })
    expect(await bed.open().source('intruder')).toBeUndefined()
    expect(await bed.open().stream('intruder')).toBeUndefined()
    expect(await changesOf('intruder')).toEqual([])
  })

  test('refuses a policy that its stream cannot have, and says in which one', async () => {
    await bed.putStream({
      streamId: 'by-id',
      shards: { by: 'event-id', count: 2 },
      policy: { v: 1 },
    })
    const fault = await refusal({
      sourceId: 'counter',
      streams: ['by-id'],
      policy: { constraints: { monotonicFields: ['n'] } },
    })
    expect(fault).toMatchObject({ pointer: '/policy', detail: expect.stringContaining('in stream by-id') })
  })
})

describe('putting a stream', () => {
  test('says what of its payloads is searched, each field since it was named', async () => {
    const fields = async () => {
      const { rows } = await bed.database.pool.query(
        `select kind, path, since_ms as "sinceMs" from search_fields where stream_id = 'searched' order by id`,
      )
      return rows
    }
    const search = { fields: ['site.name', '/n'], text: ['note'] }
    await bed.putStream({ streamId: 'searched', search })
    expect((await stream('searched')).search).toEqual({ fields: ['/n', '/site/name'], text: ['/note'] })
    const namedMs = bed.clock.nowMs
    expect(await fields()).toEqual([
      { kind: 'value', path: '/n', sinceMs: namedMs },
      { kind: 'value', path: '/site/name', sinceMs: namedMs },
      { kind: 'words', path: '["/note"]', sinceMs: namedMs },
    ])
    bed.clock.nowMs += 1_000
    expect(await bed.putStream({ streamId: 'searched', search })).toMatchObject({ did: 'nothing' })
    await bed.putStream({ streamId: 'searched', search: { fields: ['/n', '/m'] } })
    expect(await fields()).toEqual([
      { kind: 'value', path: '/n', sinceMs: namedMs },
      { kind: 'value', path: '/m', sinceMs: bed.clock.nowMs },
    ])
    await bed.putStream({ streamId: 'searched' })
    expect([await fields(), (await stream('searched')).search]).toEqual([[], undefined])
  })

  test('fixes its audience for good, and its key', async () => {
    await bed.putStream({ streamId: 'closed', audience: 'restricted' })
    const before = await stream('closed')
    expect(before).toMatchObject({ audience: 'restricted', policy: { classification: 'restricted' } })
    expect(before.blindKey).toHaveLength(32)
    await bed.putStream({ streamId: 'closed', audience: 'restricted', domain: 'health' })
    expect((await stream('closed')).blindKey).toEqual(before.blindKey)
    expect(await refusal({ streamId: 'closed' })).toMatchObject({
      pointer: '/audience',
      detail: expect.stringContaining('created restricted'),
    })
    expect((await stream('meter-public')).blindKey).toBeUndefined()
  })
  beforeAll(async () => {
    await bed.putStream({ streamId: 'meter-public' })
  })

  test('keeps keys of restricted streams nowhere in the open', async () => {
    await bed.putStream({ streamId: 'sealed', audience: 'restricted' })
    const { blindKey = new Uint8Array() } = await stream('sealed')
    const { rows } = await bed.database.pool.query(
      `select (select json_agg(s)::text from streams as s) || (select json_agg(c)::text from registry_changes as c) as all`,
    )
    expect(rows[0].all).toContain('sealed')
    expect(rows[0].all).not.toContain(Buffer.from(blindKey).toString('hex'))
  })

  test('counts its policy up when it changes, and not when anything else does', async () => {
    const policy = { v: 1, license: 'CC-BY-4.0' }
    expect((await bed.putStream({ streamId: 's', policy })).value.policyNo).toBe(1)
    expect((await bed.putStream({ streamId: 's', policy, latenessMs: 10 })).value.policyNo).toBe(1)
    expect((await bed.putStream({ streamId: 's', policy: { v: 1 }, latenessMs: 10 })).value.policyNo).toBe(2)
    // Back again is a change like any other: what was built under number 2 is out of date.
    expect((await bed.putStream({ streamId: 's', policy, latenessMs: 10 })).value.policyNo).toBe(3)
  })

  test('keeps every policy set that was ever in force', async () => {
    const policies = [
      { v: 1, license: 'first' },
      { v: 1, license: 'second' },
    ]
    const digests: string[] = []
    for (const policy of policies)
      digests.push((await bed.putStream({ streamId: 'history', policy })).value.policyDigest)
    const { rows } = await bed.database.pool.query(
      `select policy::jsonb ->> 'license' as license from policy_sets
         where encode(digest, 'hex') = any($1) order by license`,
      [digests],
    )
    expect(rows).toEqual([{ license: 'first' }, { license: 'second' }])
  })

  test('keeps what its sources say of themselves, and refuses to say otherwise for them', async () => {
    await bed.putSource({ sourceId: 'own', streams: ['owned'], policy: { required: ['ts'] } })
    await bed.putStream({
      streamId: 'owned',
      policy: { v: 1, license: 'L', sources: { own: { required: ['ts'] } } },
    })
    await bed.putStream({ streamId: 'owned', policy: { v: 1, license: 'M' } })
    expect((await stream('owned')).policy).toMatchObject({
      license: 'M',
      sources: { own: { required: ['/ts'] } },
    })
    const policy = { v: 1, sources: { own: { required: ['other'] } } }
    expect(await refusal({ streamId: 'owned', policy })).toMatchObject({
      pointer: '/policy/sources',
      detail: expect.stringContaining('source own has a policy of its own'),
    })
  })

  test('refuses another tenant than that of its sources', async () => {
    await bed.putSource({ sourceId: 'resident', tenantId: 'acme' })
    expect(await refusal({ streamId: 'resident', tenantId: 'other' })).toMatchObject({ pointer: '/tenantId' })
  })

  test('refuses operators that the node does not list, as nobody would ask their agents, and says where to list them', async () => {
    const [north, east, south, west] = ['north', 'east', 'south', 'west'].map(name => party(name).identityKey)
    const putBy = async (listed: readonly (string | undefined)[], named: readonly (string | undefined)[]) => {
      const read = orThrow(readStream({ streamId: 'rostered', operators: named.map(String) }))
      return putStream({ ...bed.changes, operators: listed.map(String) }, read, 'test')
    }
    const refused = await putBy([north, east, south], [north, east, west])
    expect(refused).toMatchObject({
      ok: false,
      fault: { code: 'registration-invalid', pointer: '/operators' },
    })
    expect(refused.ok ? '' : refused.fault.detail).toMatch(
      new RegExp(`${west}: list them in .*EVENT_OPERATORS`),
    )
    expect(await bed.open().stream('rostered')).toBeUndefined()

    expect(await putBy([north, east, south, west], [north, east, west])).toMatchObject({ ok: true })
    // What it has stays, where the node's own list has changed since; somebody else does not come to it.
    expect(await putBy([north, east, south], [north, east, west])).toMatchObject({ ok: true })
    expect(await putBy([north, east], [north, south, west])).toMatchObject({ ok: false })
    // A node that lists nobody asks anybody's.
    expect(await putBy([], [north, south, west])).toMatchObject({ ok: true })
  })

  test('is written down: who, when, what it was and what it became', async () => {
    bed.clock.nowMs += 5
    await bed.putStream({ streamId: 'audited', domain: 'one' })
    await bed.putStream({ streamId: 'audited', domain: 'two' })
    expect(await changesOf('audited')).toEqual([
      { kind: 'stream', what: 'created', who: 'test', atMs: bed.clock.nowMs },
      { kind: 'stream', what: 'changed', who: 'test', atMs: bed.clock.nowMs },
    ])
    const { rows } = await bed.database.pool.query(
      `select was ->> 'domain' as was, became ->> 'domain' as became from registry_changes
         where subject = 'audited' order by id desc limit 1`,
    )
    expect(rows).toEqual([{ was: 'one', became: 'two' }])
  })
})
