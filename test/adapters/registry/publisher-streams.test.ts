import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type FeedDeps, registerFeed } from '../../../src/adapters/publishers/own-feeds.ts'
import {
  changeOwnStream,
  findOwnStream,
  makeOwnStream,
} from '../../../src/adapters/publishers/own-streams.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { party } from '../../support/pipeline.ts'
import { publisherDeps } from './publisher-deps.ts'
import { type RegistryBed, registryBed } from './registry-bed.ts'

const one = party('a publisher with streams').identityKey
const other = party('another publisher with streams').identityKey

let bed: RegistryBed
let deps: FeedDeps
beforeAll(async () => {
  bed = await registryBed()
  deps = publisherDeps(bed)
})
afterAll(() => bed.end())

async function make(owner: string, sent: { topics?: string[] } = {}) {
  const edit = orThrow(await makeOwnStream(deps, owner, 'meter', sent))
  if (edit.did !== 'done') throw new Error(edit.did)
  return edit.value
}

async function register(owner: string, feed: { overlayTopics: string[] }, stream?: { topics: string[] }) {
  const asked = { name: 'meter', feed: { name: 'meter', ...feed }, stream, namesStreams: false }
  const edit = orThrow(await registerFeed(deps, owner, asked))
  if (edit.did !== 'done') throw new Error(edit.did)
  return edit.value.feedId
}

async function change(owner: string, streamId: string, sent: { topics?: string[]; domain?: string }) {
  const { version = '' } = (await findOwnStream(bed.database.pool, streamId, owner)) ?? {}
  return changeOwnStream(deps, owner, { streamId, version, sent })
}

describe('a topic', () => {
  const refused = { ok: false, fault: { pointer: '/topics/1' } }

  test('that one publisher is followed under, another one cannot name', async () => {
    const theirs = await make(one, { topics: ['grid.berlin'] })
    const topics = ['grid.another', 'grid.berlin']
    expect(await makeOwnStream(deps, other, 'meter', { topics })).toMatchObject(refused)
    const own = await make(other, { topics: ['grid.another'] })
    expect(await change(other, own, { topics })).toMatchObject(refused)
    expect(await change(one, theirs, { topics: ['grid.berlin', 'grid.zone'] })).toMatchObject({ ok: true })
    expect(await make(one, { topics: ['grid.berlin'] })).toMatch(/^meter-/)
  })

  test("of a stream of the operator is as little a publisher's to name", async () => {
    await bed.putStream({ streamId: 'of-the-operator', topics: ['official.prices'] })
    expect(await makeOwnStream(deps, other, 'meter', { topics: ['a', 'official.prices'] })).toMatchObject(
      refused,
    )
  })

  test('that a feed names is what the stream that is made with it is followed under', async () => {
    const streamId = await register(one, { overlayTopics: ['heat.berlin'] })
    expect((await findOwnStream(bed.database.pool, streamId, one))?.settings.topics).toEqual(['heat.berlin'])
    const stream = { topics: ['heat.mitte'] }
    const named = await register(one, { overlayTopics: ['heat.berlin'] }, stream)
    expect((await findOwnStream(bed.database.pool, named, one))?.settings.topics).toEqual(['heat.mitte'])
    const feed = { name: 'meter', overlayTopics: ['heat.another', 'heat.berlin'] }
    const asked = { name: 'meter', feed, stream: undefined, namesStreams: false }
    expect(await registerFeed(deps, other, asked)).toMatchObject(refused)
  })

  test('that an operator has several share stays with each of them', async () => {
    const streamId = await make(one)
    const document = { streamId, ownerKey: one, topics: ['official.prices'] }
    await bed.putStream(document)
    expect(await change(one, streamId, { domain: 'prices' })).toMatchObject({ ok: true })
    expect(await change(one, streamId, { topics: ['official.prices', 'x'] })).toMatchObject({ ok: true })
  })
})

describe('the streams of publishers', () => {
  test('are so many in all, however many publishers there are', async () => {
    const { rows } = await bed.database.pool.query<{ owned: number }>(
      'select count(owner_key)::int as owned from streams',
    )
    const owned = rows[0]?.owned ?? 0
    const bounded = { ...deps, streamsMax: owned + 1 }
    const newcomer = party('a publisher who comes late').identityKey
    expect(orThrow(await makeOwnStream(bounded, newcomer, 'first', {}))).toMatchObject({ did: 'done' })
    const full = { did: 'full', why: 'all-streams', max: owned + 1 }
    const last = party('a publisher who comes last').identityKey
    expect(orThrow(await makeOwnStream(bounded, last, 'second', {}))).toEqual(full)
    // Those of the operator do not count.
    await bed.putStream({ streamId: 'one-more-of-the-operator' })
    expect(
      orThrow(await makeOwnStream({ ...bounded, streamsMax: owned + 2 }, last, 'third', {})),
    ).toMatchObject({
      did: 'done',
    })
  })
})
