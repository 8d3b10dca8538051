import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { party } from '../support/pipeline.ts'
import { openQueryBed, type QueryBed, readings } from '../support/query-bed.ts'
import type { HttpAnswer } from './raw-http.ts'

let bed: QueryBed
beforeAll(async () => {
  bed = await openQueryBed()
})
afterAll(() => bed.end())

const pageShape = z.object({
  items: z.array(z.looseObject({ eventId: z.string() })),
  nextCursor: z.string().nullable(),
  reach: z.object({ isComplete: z.boolean(), upToMs: z.number().nullable(), behindEvents: z.number() }),
})
const pageOf = ({ body }: HttpAnswer) => pageShape.parse(JSON.parse(body.toString()))
const idsOf = (answer: HttpAnswer) => pageOf(answer).items.map(({ eventId }) => eventId)
const feed = async (query: string, identityKey?: string) =>
  idsOf(await bed.get(`/feed?${query}`, identityKey === undefined ? {} : { identityKey }))

async function allPages(query: string): Promise<string[]> {
  const ids: string[] = []
  let cursor: string | null = null
  for (let pages = 0; pages < 200; pages++) {
    const answer = await bed.get(`/feed?${query}${cursor === null ? '' : `&cursor=${cursor}`}`)
    ids.push(...idsOf(answer))
    cursor = pageOf(answer).nextCursor
    if (cursor === null) return ids
  }
  throw new Error('there is no end of pages')
}

describe('the feed', () => {
  test('lists the newest events first, in seed shapes, on both of its paths', async () => {
    const ids = await bed.sendTo({ streamId: 'shapes' }, readings(3))
    await bed.project()
    const answer = await bed.get('/feed?stream=shapes')
    expect(JSON.parse(answer.body.toString())).toEqual({
      items: ids.map((eventId, n) => ({
        eventId,
        sourceId: 'sensor-1',
        status: 'received',
        contentHash: null,
        versionId: null,
        createdAt: 1_800_000_000,
        updatedAt: 1_800_000_000,
        streamId: 'shapes',
        type: 'reading',
        level: 'basic',
        state: 'received',
        orchestration: null,
        eventTimeMs: bed.clock.ms - n,
        ingestTimeMs: bed.clock.ms - n,
      })),
      limit: 50,
      nextCursor: null,
      reach: { isComplete: true, upToMs: null, behindEvents: 0 },
    })
    expect((await bed.get('/ingest/feed?stream=shapes')).body.toString()).toBe(answer.body.toString())
  })

  test('is the same in one page or in many, over all streams and partitions', async () => {
    const both = [
      ...(await bed.sendTo({ streamId: 'left', shards: { by: 'event-id', count: 3 } }, readings(20))),
      ...(await bed.sendTo({ streamId: 'right' }, readings(5))),
    ]
    await bed.project()
    const whole = await feed('limit=200')
    expect(whole).toEqual(expect.arrayContaining(both))
    for (const limit of [1, 3, 7]) expect(await allPages(`limit=${limit}`)).toEqual(whole)
    expect(await feed('limit=4&offset=5')).toEqual(whole.slice(5, 9))
  })

  test('does not lose or repeat what came in one millisecond', async () => {
    await bed.putStream({ streamId: 'burst', shards: { by: 'event-id', count: 4 } })
    const source = { ...bed.source, streams: ['burst'] as const }
    await bed.send(readings(40), { source })
    await bed.project()
    const whole = await feed('stream=burst&limit=200')
    expect([new Set(whole).size, await allPages('stream=burst&limit=3')]).toEqual([40, whole])
  })

  test('is filtered by source, type, level, stream, status and time', async () => {
    const [third, second, first] = await bed.sendTo(
      { streamId: 'filtered', sourceId: 'b' },
      readings(3, 'alarm'),
    )
    const other = await bed.sendTo({ streamId: 'filtered', sourceId: 'c' }, readings(2, 'tick'))
    const critical = await bed.sendTo({ streamId: 'graver', level: 'critical', sourceId: 'c' }, readings(1))
    await bed.project()
    const alarms = [third, second, first]
    const cameFirst = bed.clock.ms - 5
    for (const [query, ids] of [
      ['sourceId=b', alarms],
      ['sourceId=c&stream=filtered', other],
      ['sourceId=c', [...critical, ...other]],
      ['type=alarm', alarms],
      ['type=alarm&sourceId=c', []],
      ['type=nothing', []],
      ['level=critical', critical],
      ['level=critical&stream=filtered', []],
      ['stream=filtered&status=received', [...other, ...alarms]],
      ['stream=filtered&status=certified', []],
      [`stream=filtered&from=${cameFirst + 1}&to=${cameFirst + 3}`, [third, second]],
      [`type=alarm&to=${cameFirst + 1}`, [first]],
      [`type=alarm&from=${cameFirst + 3}`, []],
      ['stream=none', []],
    ] as const)
      expect([query, await feed(query)]).toEqual([query, ids])
  })

  test('says how far it reaches while the projections are behind', async () => {
    await bed.sendTo({ streamId: 'late' }, readings(2))
    expect(pageOf(await bed.get('/feed?stream=late'))).toEqual({
      items: [],
      nextCursor: null,
      reach: { isComplete: false, upToMs: bed.clock.ms - 1, behindEvents: 2 },
    })
    await bed.project()
    expect(pageOf(await bed.get('/feed?stream=late')).reach).toEqual({
      isComplete: true,
      upToMs: null,
      behindEvents: 0,
    })
  })
})

describe('readers of the feed', () => {
  const [named, ofTenant, other] = ['named', 'of the tenant', 'other'].map(name => party(name).identityKey)

  test('see what is theirs and public, and of the rest not even how much is waiting', async () => {
    const blindKey = new Uint8Array(32).fill(7)
    const readers = named === undefined ? [] : [named]
    const hidden = { streamId: 'hidden', audience: 'restricted', blindKey, readers, sourceId: 'h' } as const
    await bed.database.pool.query(
      `insert into overlay_event_sources (source_id, name, source_type, identity_key, tenant_id)
        values ('theirs', 'theirs', 'webhook', $1, 'acme')`,
      [ofTenant],
    )
    const open = await bed.sendTo({ streamId: 'open', sourceId: 'h' }, readings(2, 'same'))
    await bed.project()
    const restricted = await bed.sendTo(hidden, readings(2, 'same'))
    const tenants = await bed.sendTo(
      { streamId: 'acme', tenantId: 'acme', sourceId: 'h' },
      readings(2, 'same'),
    )
    for (const question of ['type=same', 'sourceId=h', 'type=same&sourceId=h', 'type=same&limit=1']) {
      const page = pageOf(await bed.get(`/feed?${question}`))
      expect([question, page.reach.isComplete, page.items.length > 0]).toEqual([question, true, true])
    }
    expect(pageOf(await bed.get('/feed?type=same', { identityKey: named ?? '' })).reach.behindEvents).toBe(2)
    await bed.project()
    for (const question of ['type=same', 'sourceId=h', 'type=same&sourceId=h&status=received']) {
      expect(await feed(question)).toEqual(open)
      expect(await feed(question, other)).toEqual(open)
      expect(await feed(question, named)).toEqual([...restricted, ...open])
      expect(await feed(question, ofTenant)).toEqual([...tenants, ...open])
    }
    const nowhere = await bed.get('/feed?stream=nowhere')
    for (const streamId of ['hidden', 'acme'])
      expect((await bed.get(`/feed?stream=${streamId}`)).body.toString()).toBe(nowhere.body.toString())
    await bed.database.pool.query("update streams set published = false where stream_id = 'open'")
    expect(await feed('type=same')).toEqual([])
  })

  test('cannot use a cursor of another question, of other rights, or one that they have made', async () => {
    await bed.sendTo({ streamId: 'cursors' }, readings(3))
    const blindKey = new Uint8Array(32).fill(7)
    await bed.sendTo(
      {
        streamId: 'cursors-hidden',
        audience: 'restricted',
        blindKey,
        readers: named === undefined ? [] : [named],
      },
      readings(3),
    )
    await bed.project()
    const cursor = pageOf(await bed.get('/feed?stream=cursors&limit=1')).nextCursor ?? ''
    const theirs =
      pageOf(await bed.get('/feed?stream=cursors&limit=1', { identityKey: named ?? '' })).nextCursor ?? ''
    expect((await bed.get(`/feed?stream=cursors&limit=2&cursor=${cursor}`)).status).toBe(200)
    // Somebody else who may read the same goes on with it.
    const asOther = { identityKey: other ?? '' }
    expect((await bed.get(`/feed?stream=cursors&cursor=${cursor}`, asOther)).status).toBe(200)
    const changed = `${cursor.slice(0, -2)}${cursor.endsWith('AA') ? 'BB' : 'AA'}`
    for (const path of [
      `/feed?cursor=${cursor}`,
      `/feed?stream=cursors&type=x&cursor=${cursor}`,
      `/feed?stream=cursors&cursor=${theirs}`,
      `/feed?stream=cursors&cursor=${changed}`,
      `/feed?stream=cursors&cursor=${cursor}A`,
      `/feed?stream=cursors&cursor=AAAA`,
      `/feed?stream=cursors&cursor=${encodeURIComponent('{"seq":1}')}`,
      `/feed?stream=cursors&cursor=${'A'.repeat(1024)}`,
    ]) {
      const answer = await bed.get(path)
      expect([path, answer.status]).toEqual([path, 400])
      expect(JSON.parse(answer.body.toString())).toMatchObject({ code: 'bad-request' })
    }
  })
})

describe('a wild question to the feed', () => {
  test.each([
    ['limit=0', 'limit'],
    ['limit=201', 'limit'],
    ['limit=-1', 'limit'],
    ['limit=1e3', 'limit'],
    ['offset=1001', 'offset'],
    ['status=anchored', 'status'],
    ['level=top', 'level'],
    ['from=9007199254740993', 'from'],
    ['from=yesterday', 'from'],
    ['stream=', 'stream'],
    ['stream=%00', 'stream'],
    [`stream=${'x'.repeat(257)}`, 'stream'],
    ['stream=a&stream=b', 'more than once'],
    ['filter=x', 'filter'],
    ['__proto__=x', '__proto__'],
    ['offset=1&cursor=AAAA', 'offset'],
    [`cursor=${'A'.repeat(1025)}`, 'cursor'],
  ])('is refused, with what is wrong: %s', async (query, word) => {
    const answer = await bed.get(`/feed?${query}`)
    const { detail } = z.object({ detail: z.string() }).parse(JSON.parse(answer.body.toString()))
    expect([answer.status, detail]).toEqual([400, expect.stringContaining(word)])
  })

  test.each(["'; drop table projected_events; --", '" or true', '%', '\\', '$1', 'é\u202e'])(
    'is a name like any other: %s',
    async text => {
      const name = encodeURIComponent(text)
      for (const member of ['stream', 'sourceId', 'type']) expect(await feed(`${member}=${name}`)).toEqual([])
    },
  )
})

describe('an answer of the feed', () => {
  test('is given again for a while to whoever may read the same, and not sent to whoever has it', async () => {
    const cached = await openQueryBed({ cacheTtlMs: 60_000 })
    await cached.sendTo({ streamId: 'readings' }, readings(1))
    await cached.project()
    const first = await cached.get('/feed')
    const { etag } = first.headers
    expect([first.status, first.headers['cache-control']]).toEqual([200, 'public, max-age=60'])
    await cached.sendTo({ streamId: 'readings' }, readings(1))
    await cached.project()
    expect((await cached.get('/feed')).body.toString()).toBe(first.body.toString())
    const identityKey = party('somebody').identityKey
    const proven = await cached.get('/feed', { identityKey })
    const { etag: theirs } = proven.headers
    expect([proven.body.toString(), proven.headers['cache-control'], theirs]).toEqual([
      first.body.toString(),
      'private, no-store',
      undefined,
    ])
    const again = await cached.get('/feed', { headers: { 'If-None-Match': String(etag) } })
    expect([again.status, again.body.length]).toEqual([304, 0])
    // Another question has an answer of its own; so has whoever may read more.
    expect(idsOf(await cached.get('/feed?limit=10'))).toHaveLength(2)
    const blindKey = new Uint8Array(32).fill(7)
    await cached.sendTo(
      { streamId: 'more', audience: 'restricted', blindKey, readers: [identityKey] },
      readings(1),
    )
    await cached.project()
    expect(idsOf(await cached.get('/feed', { identityKey }))).toHaveLength(3)
    expect((await cached.get('/feed')).body.toString()).toBe(first.body.toString())
    await cached.end()
  })
})
