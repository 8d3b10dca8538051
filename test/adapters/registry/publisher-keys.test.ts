import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readAudit } from '../../../src/adapters/publishers/audit.ts'
import {
  changeFeed,
  type FeedDeps,
  findOwnFeed,
  registerFeed,
} from '../../../src/adapters/publishers/own-feeds.ts'
import { rotateOwnKey } from '../../../src/adapters/publishers/own-keys.ts'
import { changeOwnStream, findOwnStream } from '../../../src/adapters/publishers/own-streams.ts'
import { utf8 } from '../../../src/core/bytes.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { proveSender } from '../../../src/http/ingest/sender.ts'
import { party } from '../../support/pipeline.ts'
import { until } from '../../support/until.ts'
import { type RegistryBed, registryBed } from './registry-bed.ts'

const publisher = party('a publisher with keys').identityKey
const HOUR = 3_600_000

let bed: RegistryBed
let deps: FeedDeps
beforeAll(async () => {
  bed = await registryBed()
  const bounds = {
    changesPerDayMax: 100,
    streamsPerIdentityMax: 10,
    streamsMax: 100,
    feedsPerIdentityMax: 10,
    feedsMax: 10,
  }
  deps = { changes: bed.changes, ceiling: {}, ...bounds, random: bytes => new Uint8Array(bytes).fill(7) }
})
afterAll(() => bed.end())

describe('the secret of a feed before another one', () => {
  test('is taken until the overlap is over, and not a moment longer', async () => {
    const asked = { name: 'meter', feed: { name: 'meter' }, stream: undefined, namesStreams: false }
    const made = orThrow(await registerFeed(deps, publisher, asked))
    if (made.did !== 'done') throw new Error(made.did)
    const { feedId, secret: older } = made.value
    const rotated = orThrow(await rotateOwnKey(deps, publisher, { feedId, overlapMs: HOUR }))
    if (rotated.did !== 'done') throw new Error(rotated.did)
    const newer = rotated.value.secret

    const registry = bed.open()
    const source = await until(() => registry.source(feedId))
    const sent = async (secret: string | null) => {
      const [body, at] = ['{"n":1}', new Date(bed.clock.nowMs)]
      const headers = {
        'webhook-id': 'msg_1',
        'webhook-timestamp': String(Math.floor(bed.clock.nowMs / 1000)),
        'webhook-signature': new Webhook(secret ?? '').sign('msg_1', at, body),
      }
      const proven = await proveSender(
        source,
        { target: '/ingest/events', headers, bytes: utf8(body) },
        {
          ...{ registry, identityRequired: false, signatureTtlSeconds: 300, now: () => bed.clock.nowMs },
          nonces: { use: () => Promise.reject(new Error('a webhook has none')) },
        },
      )
      return 'code' in proven ? proven.code : proven.authenticated
    }
    expect([await sent(older), await sent(newer)]).toEqual(['hmac', 'hmac'])
    bed.clock.nowMs += HOUR - 1
    expect([await sent(older), await sent(newer)]).toEqual(['hmac', 'hmac'])
    bed.clock.nowMs += 1
    expect([await sent(older), await sent(newer)]).toEqual(['signature-invalid', 'hmac'])
  })
})

describe('the record of changes', () => {
  test('takes no change and loses nothing', async () => {
    const { pool } = bed.database
    for (const statement of [
      `update registry_changes set who = 'nobody'`,
      'delete from registry_changes',
      'truncate registry_changes',
    ])
      await expect(pool.query(statement)).rejects.toThrow('append-only')
  })

  test('bounds how much one identity changes in a day', async () => {
    const busy = party('who changes a lot').identityKey
    const bounded = { ...deps, changesPerDayMax: 3 }
    const register = () =>
      registerFeed(bounded, busy, {
        ...{ name: 'x', feed: { name: 'x' }, stream: undefined, namesStreams: false },
      })
    expect(orThrow(await register())).toMatchObject({ did: 'done' })
    expect(orThrow(await register())).toEqual({ did: 'full', why: 'changes', max: 3 })
    bed.clock.nowMs += 24 * HOUR
    expect(orThrow(await rotateOwnKey(bounded, busy, { feedId: 'none', overlapMs: 0 }))).toEqual({
      did: 'not-found',
    })
  })
})

describe('what an operator has decided', () => {
  test('stays so, whatever its publisher asks for', async () => {
    const feedId = 'of-the-operator'
    const document = { sourceId: feedId, identityKey: publisher, authentication: 'brc104', trustWeight: 3 }
    await bed.putSource({ ...document, limits: { eventsPerSecond: 5 } })
    const change = async (sent: object) => {
      const feed = await findOwnFeed(bed.database.pool, feedId, publisher)
      const asked = { feedId, version: feed?.version ?? '', sent: { ...sent }, kind: 'patch' as const }
      return changeFeed(deps, publisher, asked)
    }
    expect(await change({ limits: { eventsPerSecond: 6 } })).toMatchObject({
      ok: false,
      fault: { pointer: '/limits/eventsPerSecond' },
    })
    expect(await change({ limits: { eventsPerSecond: 2 }, name: 'slower' })).toMatchObject({ ok: true })
    expect(await change({ limits: null })).toMatchObject({ ok: true })
    expect(await findOwnFeed(bed.database.pool, feedId, publisher)).toMatchObject({
      source: { limits: { eventsPerSecond: 5 }, name: 'slower', trustWeight: 3 },
    })
    await bed.putSource({ ...document, enabled: false })
    expect(await change({ enabled: true })).toMatchObject({ ok: false, fault: { pointer: '/enabled' } })
    await bed.putSource(document)
    expect(await change({ enabled: false })).toMatchObject({ ok: true })
    expect(await change({ enabled: true })).toMatchObject({ ok: true })
  })
})

describe('limits that an operator gives', () => {
  const tooHigh = { ok: false, fault: { pointer: '/limits/eventsPerSecond' } }
  const became = async (subject: string) => {
    const { rows } = await bed.database.pool.query<{ who: string; limits: unknown }>(
      `select who, became -> 'limitsByOperator' as limits from registry_changes
        where subject = $1 and kind <> 'secret' order by id desc limit 1`,
      [subject],
    )
    return rows[0]
  }

  test('are the ceiling of a feed, also where its publisher had set the same before', async () => {
    const document = { sourceId: 'same-limits', identityKey: publisher, authentication: 'brc104' }
    await bed.putSource(document)
    const change = async (limits: { eventsPerSecond: number }) => {
      const feed = await findOwnFeed(bed.database.pool, 'same-limits', publisher)
      const asked = { feedId: 'same-limits', version: feed?.version ?? '', sent: { limits } }
      return changeFeed(deps, publisher, { ...asked, kind: 'patch' })
    }
    expect(await change({ eventsPerSecond: 4 })).toMatchObject({ ok: true })
    const given = { ...document, limits: { eventsPerSecond: 4 } }
    expect(await bed.putSource(given)).toMatchObject({ did: 'changed' })
    expect(await became('same-limits')).toEqual({ who: 'test', limits: { eventsPerSecond: 4 } })
    expect(await bed.putSource(given)).toMatchObject({ did: 'nothing' })
    expect(await change({ eventsPerSecond: 5 })).toMatchObject(tooHigh)
    expect(await change({ eventsPerSecond: 3 })).toMatchObject({ ok: true })
    expect(await change({ eventsPerSecond: 5 })).toMatchObject(tooHigh)
    await bed.putSource(document)
    expect(await change({ eventsPerSecond: 5 })).toMatchObject({ ok: true })
  })

  test('are the ceiling of a stream, and no change of its feeds makes another one', async () => {
    const document = { streamId: 'same-stream-limits', ownerKey: publisher }
    await bed.putStream(document)
    const change = async (eventsPerSecond: number) => {
      const stream = await findOwnStream(bed.database.pool, 'same-stream-limits', publisher)
      const asked = { streamId: 'same-stream-limits', version: stream?.version ?? '' }
      return changeOwnStream(deps, publisher, { ...asked, sent: { limits: { eventsPerSecond } } })
    }
    expect(await change(4)).toMatchObject({ ok: true })
    await bed.putSource({
      ...{ sourceId: 'its-other-feed', streams: ['same-stream-limits'], policy: { required: ['a'] } },
    })
    expect(await change(5)).toMatchObject({ ok: true })
    expect(await bed.putStream({ ...document, limits: { eventsPerSecond: 5 } })).toMatchObject({
      did: 'changed',
    })
    expect(await became('same-stream-limits')).toEqual({ who: 'test', limits: { eventsPerSecond: 5 } })
    expect(await change(6)).toMatchObject(tooHigh)
  })
})

describe('what an operator has switched off', () => {
  const off = { ok: false, fault: { detail: expect.stringContaining('an operator of this node') } }
  const changesOf = async (subject: string) => {
    const { rows } = await bed.database.pool.query<{ who: string; off: string | null }>(
      `select who, became ->> 'offByOperator' as off from registry_changes
        where subject = $1 and kind <> 'secret' order by id desc limit 1`,
      [subject],
    )
    return rows[0]
  }

  test('stays so, also where its publisher had switched it off before', async () => {
    const document = { sourceId: 'off-twice', identityKey: publisher, authentication: 'brc104' }
    await bed.putSource(document)
    const change = async (sent: { enabled?: boolean; name?: string }) => {
      const feed = await findOwnFeed(bed.database.pool, 'off-twice', publisher)
      const asked = { feedId: 'off-twice', version: feed?.version ?? '', sent, kind: 'patch' as const }
      return changeFeed(deps, publisher, asked)
    }
    expect(await change({ enabled: false })).toMatchObject({ ok: true })
    expect(await bed.putSource({ ...document, enabled: false })).toMatchObject({ did: 'changed' })
    expect(await changesOf('off-twice')).toEqual({ who: 'test', off: 'true' })
    expect(await bed.putSource({ ...document, enabled: false })).toMatchObject({ did: 'nothing' })
    expect(await change({ name: 'still off' })).toMatchObject({ ok: true })
    expect(await change({ enabled: true })).toMatchObject(off)
    await bed.putSource(document)
    expect(await changesOf('off-twice')).toEqual({ who: 'test', off: 'false' })
    expect(await change({ enabled: false })).toMatchObject({ ok: true })
    expect(await change({ enabled: true })).toMatchObject({ ok: true })
  })

  test('stays so of a stream, whatever else changes with its feeds', async () => {
    const document = { streamId: 'stream-off-twice', ownerKey: publisher }
    await bed.putStream(document)
    const change = async (sent: { published: boolean }) => {
      const stream = await findOwnStream(bed.database.pool, 'stream-off-twice', publisher)
      const asked = { streamId: 'stream-off-twice', version: stream?.version ?? '', sent }
      return changeOwnStream(deps, publisher, asked)
    }
    expect(await change({ published: false })).toMatchObject({ ok: true })
    expect(await bed.putStream({ ...document, published: false })).toMatchObject({ did: 'changed' })
    expect(await changesOf('stream-off-twice')).toEqual({ who: 'test', off: 'true' })
    await bed.putSource({ sourceId: 'its-feed', streams: ['stream-off-twice'], policy: { required: ['a'] } })
    expect(await change({ published: true })).toMatchObject(off)
    await bed.putStream(document)
    expect(await change({ published: false })).toMatchObject({ ok: true })
    expect(await change({ published: true })).toMatchObject({ ok: true })
  })
})

describe('a page of changes', () => {
  test('ends where what was and became is long, and the next one goes on from there', async () => {
    const verbose = party('who changes long things').identityKey
    const feedId = 'of-many-words'
    await bed.putSource({ sourceId: feedId, identityKey: verbose, authentication: 'brc104' })
    for (const letter of ['a', 'b', 'c', 'd'])
      await bed.putSource({
        ...{ sourceId: feedId, identityKey: verbose, authentication: 'brc104' },
        policy: { constants: { about: letter.repeat(400_000) } },
      })
    const { pool } = bed.database
    const pages: number[] = []
    const ids: string[] = []
    for (let before: string | undefined; ; before = ids.at(-1)) {
      const page = await readAudit(pool, { identityKey: verbose, before, limit: 3 })
      pages.push(page.changes.length)
      ids.push(...page.changes.map(({ id }) => id))
      if (!page.isMore) break
    }
    // Two of 400,000 characters are as many as a page takes, and the first of one comes whatever it takes.
    expect(pages).toEqual([1, 1, 1, 2])
    const { rows } = await pool.query<{ id: string }>(
      `select id::text from registry_changes where kind = 'source' and subject = $1 order by id desc`,
      [feedId],
    )
    expect(ids).toEqual(rows.map(({ id }) => id))
  })
})
