import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json, JsonObject } from '../../../src/core/canonical-json.ts'
import { readKnownManifest, readManifest } from '../../../src/core/certificate/dlm-version.ts'
import { isInstant, versionIdOf } from '../../../src/core/certificate/manifest.ts'

const hash = 'ab'.repeat(32)
const parent = 'cd'.repeat(32)
const key = `02${'11'.repeat(32)}`

const schemaA: JsonObject = {
  type: 'datasetVersionManifest',
  datasetId: 'farm/temperatures',
  content: { contentHash: hash, sizeBytes: 12, schema: { uri: 'https://example.org/s', schemaHash: hash } },
  lineage: { parents: [parent], transforms: [{ name: 'normalise' }] },
  provenance: { createdAt: '2026-01-02T03:04:05.678Z', producer: { identityKey: key, name: 'Farm' } },
  policy: { license: 'CC-BY-4.0', classification: 'public', pii_flags: [] },
}

const schemaB: JsonObject = {
  datasetId: 'farm/temperatures',
  provenance: { createdAt: '2026-01-02T03:04:05Z', issuer: key },
  content: { contentHash: hash, mediaType: 'application/x-ndjson', url: 'https://example.org/d' },
  parents: [parent],
  tags: ['iot'],
}

describe('a manifest', () => {
  test.each([
    ['A', schemaA],
    ['B', schemaB],
  ] as const)(
    'of schema %s is read, parents and producer from where that schema keeps them',
    (schema, manifest) => {
      expect(readManifest(JSON.stringify(manifest))).toMatchObject({
        ok: true,
        value: { schema, contentHash: hash, parents: [parent], producerKey: key },
      })
    },
  )

  test('has the id that sorting keys and SHA-256 give, computed elsewhere', () => {
    // printf '{"content":{"contentHash":"…"},"datasetId":"d"}' | sha256sum, with 64 times "0" as the hash
    const manifest = { datasetId: 'd', content: { contentHash: '0'.repeat(64) } }
    expect(versionIdOf(manifest)).toEqual({
      ok: true,
      value: '76059aa1cc960714f75cbc998d1dcff442a750c7a6a9040ba7f862bc5b40cf6f',
    })
  })

  test('keeps its id when it states it, is signed, or is spelled in another order', () => {
    const id = versionIdOf(schemaA)
    const reversed = Object.fromEntries(Object.entries(schemaA).reverse())
    expect(versionIdOf(reversed)).toEqual(id)
    expect(versionIdOf({ ...schemaA, signatures: { producer: {} } })).toEqual(id)
    expect(versionIdOf({ ...schemaA, versionId: id.ok ? id.value : '' })).toEqual(id)
  })

  test('is refused when it states another id', () => {
    expect(versionIdOf({ ...schemaA, versionId: hash })).toMatchObject({
      ok: false,
      fault: { code: 'manifest-invalid', pointer: '/versionId' },
    })
  })

  test.each(['versionId', 'signatures'])(
    'cannot hide anything under a deeper "%s", which readers drop',
    name => {
      const manifest = {
        ...schemaA,
        provenance: { ...(schemaA['provenance'] as JsonObject), list: [{ [name]: 1 }] },
      }
      expect(versionIdOf(manifest)).toMatchObject({
        ok: false,
        fault: { code: 'manifest-invalid', pointer: `/provenance/list/0/${name}` },
      })
    },
  )

  test('is taken in as new only where a database can keep and find it, and read where it was taken in before', () => {
    const { policy, provenance } = schemaA as { policy: JsonObject; provenance: JsonObject }
    for (const [changes, pointer] of [
      [{ policy: { ...policy, license: 'a\0b' } }, '/policy/license'],
      [{ policy: { ...policy, 'a\0': 1 } }, '/policy'],
      [{ signatures: ['a\0'] }, '/signatures/0'],
      [{ datasetId: 'd'.repeat(513) }, '/datasetId'],
      [
        { provenance: { ...provenance, createdAt: `2026-01-02T03:04:05.${'6'.repeat(45)}Z` } },
        '/provenance/createdAt',
      ],
    ] as const) {
      const manifest = JSON.stringify({ ...schemaA, ...changes })
      expect(readManifest(manifest)).toMatchObject({
        ok: false,
        fault: { code: 'manifest-invalid', pointer },
      })
      expect(readKnownManifest(manifest)).toMatchObject({ ok: true })
    }
    // Six characters that only look like it, and as long as a name may be.
    for (const changes of [{ description: '\\u0000' }, { datasetId: 'd'.repeat(512) }])
      expect(readManifest(JSON.stringify({ ...schemaA, ...changes }))).toMatchObject({ ok: true })
  })

  test.each([
    ['1970-01-01T00:00:00.000Z', true],
    ['9999-12-31T23:59:59.999Z', true],
    ['1969-12-31T23:59:59.999Z', false],
    ['0000-01-01T00:00:00.000Z', false],
    ['2026-01-02T03:04:05Z', false],
  ])('of ours says when it was made in one way, from 1970 on: %s', (text, isOne) => {
    expect(isInstant(text) === undefined).toBe(isOne)
  })

  test.each([
    ['a missing content hash', { ...schemaA, content: {} }, '/content/contentHash'],
    [
      'an unknown classification',
      { ...schemaA, policy: { license: 'x', classification: 'secret' } },
      '/policy/classification',
    ],
    ['an extra member', { ...schemaA, extra: 1 }, '/extra'],
    [
      'an impossible date',
      { ...schemaB, provenance: { createdAt: '2026-02-30T00:00:00Z', issuer: key } },
      '/provenance/createdAt',
    ],
    [
      'an upper-case key',
      { ...schemaB, provenance: { createdAt: '2026-02-03T00:00:00Z', issuer: key.replace('11', 'AA') } },
      '/provenance/issuer',
    ],
  ])('with %s is refused, and the answer points at it', (_, manifest, pointer) => {
    expect(readManifest(JSON.stringify(manifest))).toMatchObject({
      ok: false,
      fault: { code: 'manifest-invalid', pointer },
    })
  })

  test('changes its id with every member that changes', () => {
    const id = versionIdOf(schemaA)
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(schemaA)), fc.jsonValue(), (name, value) => {
        fc.pre(JSON.stringify(value) !== JSON.stringify(schemaA[name]) && value !== undefined)
        const changed = versionIdOf({ ...schemaA, [name]: value as Json })
        if (changed.ok) expect(changed).not.toEqual(id)
      }),
      { numRuns: 500 },
    )
  })

  test('is read from any text without a throw', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.string(),
          fc.json().map(inner => `{"type":${inner}}`),
        ),
        text => {
          const read = readManifest(text)
          return read.ok || read.fault.code.length > 0
        },
      ),
      { numRuns: 2000 },
    )
  })
})
