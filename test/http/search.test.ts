import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { bytea } from '../../src/adapters/postgres/sql.ts'
import { rebuildProjections } from '../../src/adapters/projections/rebuild.ts'
import { putSearchFields } from '../../src/adapters/registry/put-search-fields.ts'
import type { JsonObject } from '../../src/core/canonical-json.ts'
import { wordsOf } from '../../src/core/search/search-terms.ts'
import { certifyAll } from '../support/certified-packets.ts'
import { party } from '../support/pipeline.ts'
import { openQueryBed, type QueryBed, readings } from '../support/query-bed.ts'

let bed: QueryBed
beforeAll(async () => {
  bed = await openQueryBed()
})
afterAll(() => bed.end())

const pageShape = z.object({
  items: z.array(z.looseObject({ eventId: z.string() })),
  nextCursor: z.string().nullable(),
  reach: z.object({ isComplete: z.boolean(), payloadsSinceMs: z.number().nullable() }).loose(),
})
async function page(query: string, identityKey?: string) {
  const answer = await bed.get(`/search?${query}`, identityKey === undefined ? {} : { identityKey })
  expect([query, answer.status]).toEqual([query, 200])
  return pageShape.parse(JSON.parse(answer.body.toString()))
}
const search = async (query: string, identityKey?: string) =>
  (await page(query, identityKey)).items.map(({ eventId }) => eventId)
async function refused(query: string): Promise<string> {
  const answer = await bed.get(`/search?${query}`)
  expect([query, answer.status]).toEqual([query, 400])
  return z.object({ detail: z.string() }).parse(JSON.parse(answer.body.toString())).detail
}
async function allPages(query: string): Promise<string[]> {
  const ids: string[] = []
  let cursor: string | null = null
  for (let pages = 0; pages < 200; pages++) {
    const next: Awaited<ReturnType<typeof page>> = await page(
      `${query}${cursor === null ? '' : `&cursor=${cursor}`}`,
    )
    ids.push(...next.items.map(({ eventId }) => eventId))
    cursor = next.nextCursor
    if (cursor === null) return ids
  }
  throw new Error('there is no end of pages')
}
const fields = (of: object) => `fields=${encodeURIComponent(JSON.stringify(of))}`

describe('a search by what an event is called', () => {
  test('finds it by its id at once, and by what its source calls it, with its revisions', async () => {
    const [first] = await bed.sendTo({ streamId: 'ids' }, [
      { eventType: 'r', externalId: 'meter 7', data: { n: 1 } },
    ])
    expect(await search(`eventId=${first}`)).toEqual([first])
    await bed.project()
    const item = (await page(`eventId=${first}`)).items[0]
    expect(item).toMatchObject({
      externalId: 'meter 7',
      streamId: 'ids',
      partition: 0,
      seq: 0,
      packetId: null,
    })
    const [second] = await bed.sendTo({ streamId: 'ids' }, [
      { eventType: 'r', externalId: 'meter 7', data: { n: 2 } },
    ])
    await bed.project()
    await bed.database.pool.query(
      `insert into overlay_event_sources (source_id, name, source_type, identity_key) values ('sensor-1', 's', 'webhook', $1)`,
      [party('publisher').identityKey],
    )
    expect(new Set(await search('nativeId=meter%207'))).toEqual(new Set([first, second]))
    expect(new Set(await allPages('nativeId=meter%207&limit=1'))).toEqual(new Set([first, second]))
    expect(await search('nativeId=meter%207&sourceId=nobody')).toEqual([])
    expect(await search(`eventId=${first}&stream=other`)).toEqual([])
    expect(await search(`eventId=${'ab'.repeat(32)}`)).toEqual([])
  })

  test('finds events by their publisher’s key, and tells nobody else’s', async () => {
    const ids = await bed.sendTo({ streamId: 'published-by' }, readings(2, 'by-key'))
    await bed.project()
    const publisher = party('publisher').identityKey
    expect(await search(`publisher=${publisher}&type=by-key`)).toEqual(ids)
    expect(await search(`publisher=${publisher}&sourceId=other`)).toEqual([])
    expect(await search(`publisher=${party('nobody').identityKey}`)).toEqual([])
  })
})

describe('a search by certificate', () => {
  test('finds the events of a version from its commit on, whether they are projected or not', async () => {
    const ids = await bed.sendTo({ streamId: 'certified' }, readings(7))
    const [certified] = await certifyAll(bed, 'certified')
    const { versionId = '', contentHash = '' } = certified ?? {}
    expect(await search(`versionId=${versionId}`)).toEqual(ids)
    expect(await search(`contentHash=sha256:${contentHash}`)).toEqual(ids)
    expect(await allPages(`versionId=${versionId}&limit=3`)).toEqual(ids)
    await bed.project()
    expect(await search(`versionId=${versionId}&contentHash=${contentHash}`)).toEqual(ids)
    expect(await search(`versionId=${versionId}&contentHash=${'00'.repeat(32)}`)).toEqual([])
    expect(await search(`versionId=${versionId}&stream=other`)).toEqual([])
    // Where the log has given up its lines, the projections have the events.
    await bed.database.pool.query('alter table segments disable trigger user')
    await bed.database.pool.query(
      `update segments set lines = null where partition_id = (select id from partitions where stream_id = 'certified')`,
    )
    expect(await search(`versionId=${versionId}`)).toEqual(ids)
  })

  test('is nobody’s who may not read the stream, and tells overlay clients what is known beside it', async () => {
    const reader = party('named').identityKey
    const blindKey = new Uint8Array(32).fill(7)
    const hidden = {
      streamId: 'certified-hidden',
      audience: 'restricted',
      blindKey,
      readers: [reader],
    } as const
    const ids = await bed.sendTo(hidden, readings(2))
    const [certified] = await certifyAll(bed, 'certified-hidden', { isAnchored: true })
    await bed.project()
    const { versionId = '', contentHash = '' } = certified ?? {}
    const nothing = (await bed.get(`/search?versionId=${'00'.repeat(32)}`)).body.toString()
    for (const query of [`versionId=${versionId}`, `contentHash=${contentHash}`, `eventId=${ids[0]}`]) {
      expect((await bed.get(`/search?${query}`)).body.toString()).toBe(nothing)
      expect(await search(query, reader)).toEqual(query.startsWith('eventId') ? ids.slice(0, 1) : ids)
    }
    await bed.database.pool.query(
      `insert into uhrp_adverts values ($1, 0, $2, $3, 'https://mirror.example/x', 'https://mirror.example', $4, 10, 0)`,
      [bytea('09'.repeat(32)), bytea(contentHash), bytea(reader), Math.floor(bed.clock.ms / 1000) + 60],
    )
    const answer = await bed.get(`/overlay/search?versionId=${versionId}&limit=1`, { identityKey: reader })
    expect(JSON.parse(answer.body.toString()).items[0].overlay).toEqual({
      certificate: null,
      uhrpUrl: expect.stringMatching(/^XU[A-Z]/),
      mirrors: [{ url: 'https://mirror.example/x', hostIdentityKey: reader, expiresAt: 1_800_000_060 }],
    })
  })
})

describe('a search in payloads', () => {
  const item = (data: JsonObject) => ({ eventType: 'note', externalId: Math.random().toString(), data })
  const declare = (streamId: string, search: { fields?: string[]; text?: string[] }) =>
    putSearchFields(bed.database.pool, streamId, search, bed.clock.ms)

  test('finds values and words of the fields that a stream has named, and of no other', async () => {
    await bed.sendTo({ streamId: 'notes' }, [])
    await declare('notes', { fields: ['/site', '/n', '/tags'], text: ['/note'] })
    const [fourth, third, second, first] = await bed.sendTo({ streamId: 'notes' }, [
      item({ site: 'north', n: 1, note: 'Große PUMPE 7 läuft', secret: 'x' }),
      item({ site: 'south', n: '1', note: { deep: ['pumpe steht'] } }),
      item({ site: 'north', n: 2, tags: ['a', 'b'] }),
      item({ site: 'x'.repeat(500), n: null, tags: [] }),
    ])
    await bed.project()
    for (const [query, ids] of [
      [fields({ site: 'north' }), [third, first]],
      [fields({ '/site': 'north', n: 1 }), [first]],
      [fields({ n: '1' }), [second]],
      [fields({ n: null }), [fourth]],
      [fields({ tags: 'b' }), [third]],
      [fields({ site: 'x'.repeat(500) }), [fourth]],
      [fields({ site: 'x'.repeat(499) }), []],
      ['text=pumpe', [second, first]],
      ['q=pumpe', [second, first]],
      ['text=PUMPE%20l%C3%A4uft', [first]],
      ['text=pump', []],
      [`text=pumpe&${fields({ site: 'south' })}`, [second]],
      [
        `${fields({ site: 'north' })}&stream=notes&sourceId=sensor-1&type=note&level=basic&status=received`,
        [third, first],
      ],
      [`${fields({ site: 'north' })}&level=critical`, []],
      [`${fields({ site: 'north' })}&type=other`, []],
      [`${fields({ site: 'north' })}&to=${bed.clock.ms - 2}`, [first]],
      [`${fields({ site: 'north' })}&from=${bed.clock.ms - 1}`, [third]],
    ] as const)
      expect([query, await search(query)]).toEqual([query, ids])
    expect(await allPages(`${fields({ site: 'north' })}&limit=1`)).toEqual([third, first])
    expect(await refused(fields({ secret: 'x' }))).toContain('no stream that you may read is searched')
    expect(await refused(`${fields({ site: 'north' })}&stream=nowhere`)).toBe(
      await refused(fields({ secret: 'x' })),
    )
  })

  test('says since when payloads are searched, and after a rebuild finds what came before', async () => {
    const [before] = await bed.sendTo({ streamId: 'since' }, [item({ tag: 'old' })])
    await bed.project()
    await declare('since', { fields: ['/tag'] })
    const asked = `${fields({ tag: 'old' })}&stream=since`
    expect(await page(asked)).toMatchObject({ items: [], reach: { payloadsSinceMs: bed.clock.ms } })
    await rebuildProjections(bed.database, () => bed.clock.ms)
    expect(await page(asked)).toMatchObject({
      items: [{ eventId: before }],
      reach: { payloadsSinceMs: null },
    })
    await declare('since', {})
    expect(await refused(asked)).toContain('no stream')
    await rebuildProjections(bed.database, () => bed.clock.ms)
    const { rows } = await bed.database.pool.query(
      'select count(*) from search_terms where field_id not in (select id from search_fields)',
    )
    expect(rows).toEqual([{ count: 0 }])
  })

  test('stays within what its reader may read', async () => {
    const reader = party('named').identityKey
    const blindKey = new Uint8Array(32).fill(7)
    const hidden = { streamId: 'notes-hidden', audience: 'restricted', blindKey, readers: [reader] } as const
    await bed.sendTo(hidden, [])
    await declare('notes-hidden', { fields: ['/who', '/site'] })
    const ids = await bed.sendTo(hidden, [item({ who: 'me', site: 'east' })])
    await bed.project()
    expect(await refused(fields({ who: 'me' }))).toBe(await refused(fields({ nothing: 1 })))
    expect(await search(fields({ site: 'east' }))).toEqual([])
    expect(await search(fields({ site: 'east' }), reader)).toEqual(ids)
    expect(await search(fields({ who: 'me' }), reader)).toEqual(ids)
  })

  test('writes nothing for streams that name nothing', async () => {
    const count = async () =>
      (await bed.database.pool.query('select count(*) from search_terms')).rows[0].count
    const before = await count()
    await bed.sendTo({ streamId: 'plain' }, [item({ site: 'north', note: 'pumpe' })])
    await bed.project()
    expect(await count()).toBe(before)
  })

  test('reads words in one spelling, whatever the text is', () => {
    expect(wordsOf('Ein ﬁsch, zwei FISCH-e\u0000 … 12,5 °C 日本')).toEqual([
      'ein',
      'fisch',
      'zwei',
      'e',
      '12',
      '5',
      'c',
      '日本',
    ])
    expect(wordsOf('\ud800 — !')).toEqual([])
  })
})

describe('a wild search', () => {
  test.each([
    ['eventId=AB', 'eventId'],
    [`eventId=${'AB'.repeat(32)}`, 'eventId'],
    ['contentHash=sha256:00', 'contentHash'],
    ['publisher=02', 'publisher'],
    ['nativeId=%00', 'nativeId'],
    ['limit=101', 'limit'],
    ['q=x&text=x', 'q'],
    ['q=%20-', 'q'],
    ['tag=x', 'tag'],
    ['lineage=true', 'lineage'],
    ['datasetId=x', 'datasetId'],
    ['text=%20-', 'text'],
    ['text=a%20b%20c%20d%20e%20f%20g%20h%20i', 'text'],
    ['fields=x', 'fields'],
    ['fields=[]', 'fields'],
    ['fields={}', 'fields'],
    [fields({ site: { a: 1 } }), 'fields'],
    [fields({ site: 1, '/site': 2 }), 'fields'],
    [fields({ __proto__x: 1, 'a/../[': 2 }), 'fields'],
    [`fields=${encodeURIComponent('{"__proto__":1}')}`, 'fields'],
    [`fields=${encodeURIComponent(`{"a":${'['.repeat(900)}${']'.repeat(900)}}`)}`, 'fields'],
    [`text=a&eventId=${'ab'.repeat(32)}`, 'text'],
    ['cursor=AAAA', 'cursor'],
  ])('is refused, with what is wrong: %s', async (query, word) => {
    expect(await refused(query)).toContain(word)
  })

  test.each(["'; drop table search_terms; --", '$1', '%', '\\x00', 'é'])(
    'finds nothing under %s',
    async text => {
      expect(await search(`nativeId=${encodeURIComponent(text)}`)).toEqual([])
      expect(await search(`${fields({ site: text })}&stream=notes`)).toEqual([])
    },
  )
})
