import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { bytea } from '../../src/adapters/postgres/sql.ts'
import { certifyAll } from '../support/certified-packets.ts'
import { LOG_KEY } from '../support/log-bed.ts'
import { party } from '../support/pipeline.ts'
import { openQueryBed, type QueryBed, readings } from '../support/query-bed.ts'
import { routesOf } from './openapi-checks.ts'
import { readApiDocument } from './openapi-document.ts'

let bed: QueryBed
beforeAll(async () => {
  bed = await openQueryBed()
})
afterAll(() => bed.end())

const pageShape = z.object({
  items: z.array(z.looseObject({ versionId: z.string() })),
  nextCursor: z.string().nullable(),
})
async function page(query: string, identityKey?: string) {
  const answer = await bed.get(`/resolve?${query}`, identityKey === undefined ? {} : { identityKey })
  expect([query, answer.status]).toEqual([query, 200])
  return pageShape.parse(JSON.parse(answer.body.toString()))
}
const hash = (byte: string) => byte.repeat(32)
const declare = (versionId: string, datasetId: string, knownMs: number) =>
  bed.database.pool.query(
    `insert into dlm_versions (version_id, standing, manifest, dataset_id, content_hash, created_at, known_ms)
      values ($1, 'declared', '{}', $2, $3, '2027-01-15T08:00:00Z', $4)`,
    [bytea(versionId), datasetId, bytea(hash('0c')), knownMs],
  )

describe('a version', () => {
  test('that is certified is answered from its commit on, with its parents and nothing that is not known', async () => {
    await bed.sendTo({ streamId: 'fresh' }, readings(2))
    const [made] = await certifyAll(bed, 'fresh')
    const { versionId = '', contentHash = '', packetId = '' } = made ?? {}
    await bed.database.pool.query(
      'insert into dlm_parents (version_id, place, parent) values ($1, 0, $2), ($1, 1, $3)',
      [bytea(versionId), bytea(hash('bb')), bytea(hash('aa'))],
    )
    expect((await page(`versionId=${versionId}`)).items).toEqual([
      {
        versionId,
        datasetId: `${LOG_KEY}/fresh`,
        parents: [hash('bb'), hash('aa')],
        contentHash: `sha256:${contentHash}`,
        createdAt: '2027-01-15T08:00:00.000Z',
        producerKey: null,
        standing: 'certified',
        knownMs: bed.clock.ms,
        streamId: 'fresh',
        packetId,
        certificate: null,
        supersededBy: [],
        declarations: [],
        isSuperseded: false,
        isRevoked: false,
      },
    ])
    const overlay = await bed.get(`/overlay/resolve?versionId=${versionId}`)
    expect(JSON.parse(overlay.body.toString()).items[0].overlay).toEqual({
      uhrpUrl: expect.stringMatching(/^XU[A-Z]/),
      mirrors: [],
    })
  })

  test('shows the certificate that counts, its revocation, and what stands in its place', async () => {
    const { pool } = bed.database
    await bed.sendTo({ streamId: 'revoked' }, readings(1))
    const [made] = await certifyAll(bed, 'revoked')
    const { versionId = '', packetId = '' } = made ?? {}
    await pool.query(
      `insert into rounds (round_id, template, level, audience, attempt, document, input_hash, roster_digest, state, made_ms)
        values ($1, 'packet', 'basic', 'public', 1, '{}', $1, $1, 'over', 0)`,
      [bytea(hash('05'))],
    )
    const certificate = (txid: string, state: string, revokedBy: string | null, version = versionId) =>
      pool.query(
        `insert into certificates (txid, vout, round_id, index, template, level, packet_id, version_id, state, written_ms, revoked_by)
          values ($1, 1, $2, 0, 'packet', 'basic', $3, $4, $5, 1, $6)`,
        [
          bytea(txid),
          bytea(hash('05')),
          bytea(packetId),
          bytea(version),
          state,
          revokedBy && bytea(revokedBy),
        ],
      )
    await certificate(hash('d1'), 'anchored', null)
    const anchored = {
      txid: hash('d1'),
      vout: 1,
      state: 'anchored',
      level: 'basic',
      blockHeight: null,
      revokedBy: null,
    }
    expect((await page(`versionId=${versionId}`)).items[0]).toMatchObject({
      certificate: anchored,
      isRevoked: false,
    })
    await pool.query("update certificates set state = 'revoked', revoked_by = $1", [bytea(hash('d2'))])
    await declare(hash('e1'), 'x', 1)
    await certificate(hash('d2'), 'anchored', null, hash('e1'))
    const superseding = (txid: string, coordinator: string) =>
      pool.query(
        `insert into gitdata_certificates (txid, vout, coordinator, round_id, index, template, level, packet_id, version_id,
            supersedes, admitted_ms) values ($1, 1, $2, $1, 0, 'packet', 'basic', $3, $4, $5, 0)`,
        [bytea(txid), bytea(coordinator), bytea(packetId), bytea(hash('e1')), bytea(versionId)],
      )
    await superseding(hash('d2'), LOG_KEY)
    // What somebody else's certificate says of ours is nothing to us.
    await superseding(hash('d3'), party('stranger').identityKey)
    expect((await page(`versionId=${versionId}`)).items[0]).toMatchObject({
      certificate: { ...anchored, state: 'revoked', revokedBy: hash('d2') },
      supersededBy: [hash('e1')],
      isSuperseded: true,
      isRevoked: true,
    })
  })

  test('that somebody declares is never called certified', async () => {
    await declare(hash('a1'), 'their-data', 5)
    await bed.database.pool.query(
      `insert into declarations (txid, version_id, kind, vout, raw, status, height, declared_ms)
        values ($1, $2, 'DLM1', 0, '', 'proven', 7, 5)`,
      [bytea(hash('f1')), bytea(hash('a1'))],
    )
    expect((await page('datasetId=their-data')).items).toMatchObject([
      {
        standing: 'declared',
        streamId: null,
        packetId: null,
        certificate: null,
        declarations: [{ txid: hash('f1'), status: 'proven', height: 7 }],
      },
    ])
  })

  test('of a data set is listed after those known later, in one page or in many', async () => {
    const ids = ['b1', 'b2', 'b3', 'b4', 'b5'].map(hash)
    for (const [n, id] of ids.entries()) await declare(id, 'many', 10 + Math.floor(n / 2))
    const whole = (await page('datasetId=many')).items.map(({ versionId }) => versionId)
    expect(whole).toEqual([...ids].reverse())
    const paged: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const next: Awaited<ReturnType<typeof page>> = await page(
        `datasetId=many&limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`,
      )
      paged.push(...next.items.map(({ versionId }) => versionId))
      cursor = next.nextCursor
    }
    expect(paged).toEqual(whole)
  })

  test('of a stream that somebody may not read is not there for them', async () => {
    const reader = party('named').identityKey
    const blindKey = new Uint8Array(32).fill(7)
    await bed.sendTo({ streamId: 'veiled', audience: 'restricted', blindKey, readers: [reader] }, readings(1))
    const [made] = await certifyAll(bed, 'veiled')
    const { versionId = '' } = made ?? {}
    const datasetId = encodeURIComponent(`${LOG_KEY}/veiled`)
    const nothing = (await bed.get(`/resolve?versionId=${hash('00')}`)).body.toString()
    for (const query of [`versionId=${versionId}`, `datasetId=${datasetId}`]) {
      expect((await bed.get(`/resolve?${query}`)).body.toString()).toBe(nothing)
      expect((await page(query, party('other').identityKey)).items).toEqual([])
      expect((await page(query, reader)).items).toMatchObject([{ versionId, streamId: 'veiled' }])
    }
  })

  test.each([
    '',
    'versionId=ab',
    `versionId=${hash('AB')}`,
    `versionId=${hash('ab')}&datasetId=x`,
    'datasetId=',
    'datasetId=%00',
    'datasetId=x&limit=101',
    'datasetId=x&cursor=AAAA',
    'datasetId=x&order=asc',
  ])('is not looked for under a wild question: %s', async query => {
    expect((await bed.get(`/resolve?${query}`)).status).toBe(400)
  })
})

describe('docs/openapi.yaml, on listing and finding', () => {
  test('lists the routes, and no other', () => {
    const documented = readApiDocument().operations.filter(({ tag }) => tag === 'query')
    expect(bed.routes.flatMap(routesOf).sort()).toEqual(
      documented.map(({ method, path }) => `${method} ${path}`).sort(),
    )
  })
})
