import { describe, expect, test } from 'vitest'
import type { Json } from '../../../src/core/canonical-json.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { readStream } from '../../../src/core/registry/read-stream.ts'
import { defaultPolicy, type Writer, withWriters } from '../../../src/core/registry/stream-policy.ts'

const key = (byte: string) => `02${byte.repeat(32)}`
const byId = { by: 'event-id', count: 2 }

describe('a stream', () => {
  test('needs a name, and nothing else', () => {
    expect(readStream({ streamId: 's' })).toEqual({
      ok: true,
      value: {
        streamId: 's',
        audience: 'public',
        level: 'enhanced',
        shards: { by: 'key', count: 1 },
        domain: 'general',
        operators: [],
        topics: [],
        openTags: [],
        latenessMs: 2000,
        published: true,
        limits: {},
        readers: [],
      },
    })
  })

  test('reads as itself once more', () => {
    const stream = orThrow(
      readStream({
        streamId: 's',
        audience: 'restricted',
        readers: [key('bb'), key('aa'), key('aa')],
        partitionKey: 'meter.id',
        policy: { v: 1, sources: { a: { required: ['x'] } } },
      }),
    )
    expect(stream).toMatchObject({
      readers: [key('aa'), key('bb')],
      partitionKey: '/meter/id',
      policy: { classification: 'restricted' },
    })
    expect(orThrow(readStream(stream))).toEqual(stream)
  })

  test.each<[string, { readonly [member: string]: Json }, string]>([
    ['half of its shards', { shards: { count: 2 } }, '/shards/by'],
    ['fewer operators than its level asks', { operators: [key('aa'), key('bb')] }, '/operators'],
    ['readers of what everybody reads', { readers: [key('aa')] }, '/readers'],
    ['data that is not public', { policy: { v: 1, classification: 'internal' } }, '/policy/classification'],
    [
      'restricted data called public',
      { audience: 'restricted', policy: { v: 1, classification: 'public' } },
      '/policy/classification',
    ],
    ['a policy that cannot be used', { policy: { v: 2 } }, '/policy/v'],
    ['a license with U+0000', { policy: { v: 1, license: 'a\0b' } }, '/policy/license'],
    [
      'a rule about a field with U+0000',
      { policy: { v: 1, rules: [{ kind: 'enum', field: '/a\0', values: ['x'] }] } },
      '/policy/rules/0/field',
    ],
    [
      'a member of a policy whose name has U+0000',
      { policy: { v: 1, sources: { 'a\0': {} } } },
      '/policy/sources',
    ],
    ['a key with U+0000', { partitionKey: '/a\0' }, '/partitionKey'],
    ['a field with U+0000 to search by', { search: { fields: ['/a\0'] } }, '/search/fields/0'],
    [
      'more fields than are searched',
      { search: { fields: Array.from('abcdefghijklmnopq') } },
      '/search/fields',
    ],
    ['a field that is no path', { search: { fields: ['a..b'] } }, '/search/fields/0'],
    ['a search by something else', { search: { words: ['a'] } }, '/search/words'],
    [
      'fusion of what stands in different partitions',
      { shards: byId, policy: { v: 1, fusion: { strategy: 'quorum' } } },
      '/policy/fusion',
    ],
    [
      'a memory of what stands in different partitions',
      { shards: byId, policy: { v: 1, rules: [{ kind: 'monotonic', field: 'n' }] } },
      '/policy/rules',
    ],
  ])('is refused with %s, which the pointer names', (_, members, pointer) => {
    expect(readStream({ streamId: 's', ...members })).toMatchObject({ ok: false, fault: { pointer } })
  })

  test('may be divided by event id where nothing is remembered', () => {
    const policy = { v: 1, rules: [{ kind: 'bounds', field: 'n', min: 0 }] }
    expect(readStream({ streamId: 's', shards: byId, policy })).toMatchObject({ ok: true })
  })
})

const a: Writer = { sourceId: 'a', trustWeight: 1 }
const b: Writer = { sourceId: 'b', trustWeight: 1 }

describe('the policy of a stream', () => {
  test('by default says once what is the same in all its events', () => {
    const alone = orThrow(defaultPolicy('public', [a], {}))
    expect(alone.constants).toEqual(['domain', 'schemaVersion', 'sourceId', 'sourceVersion', 'streamId'])
    const shared = orThrow(defaultPolicy('public', [a, b], {}))
    expect(shared.constants).toEqual(['domain', 'schemaVersion', 'streamId'])
  })

  test('by default weighs its sources as they are registered, unless the settings say otherwise', () => {
    const fusion = { strategy: 'trust-median', field: 'v', trust: { b: 5 } }
    const writers = [a, { ...b, trustWeight: 2 }, { sourceId: 'c', trustWeight: 3 }]
    expect(orThrow(defaultPolicy('public', writers, { fusion })).fusion?.trust).toEqual({ b: 5, c: 3 })
  })

  test('that was given keeps its constants, but for those that two sources would take turns in', () => {
    const given = orThrow(defaultPolicy('public', [a], { normalize: { required: ['/ts'] } }))
    const writers = [{ ...a, policy: { required: ['/x'] } }, b]
    const together = orThrow(withWriters(given, writers))
    expect(together.constants).toEqual(['domain', 'schemaVersion', 'streamId'])
    expect(together.sources).toEqual({ '*': { required: ['/ts'] }, a: { required: ['/x'] } })
    expect(orThrow(withWriters(together, [b], ['a'])).sources).toEqual({
      '*': { required: ['/ts'] },
    })
  })
})
