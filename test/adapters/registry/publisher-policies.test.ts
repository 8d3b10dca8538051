import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  changeFeed,
  type FeedDeps,
  findOwnFeed,
  registerFeed,
} from '../../../src/adapters/publishers/own-feeds.ts'
import { putOwnPolicy, rollBackPolicy } from '../../../src/adapters/publishers/own-policies.ts'
import { findOwnStream, makeOwnStream } from '../../../src/adapters/publishers/own-streams.ts'
import { ownersPart } from '../../../src/adapters/publishers/owners-part.ts'
import { findPolicyVersion } from '../../../src/adapters/publishers/policy-versions.ts'
import type { Json } from '../../../src/core/canonical-json.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { party } from '../../support/pipeline.ts'
import { publisherDeps } from './publisher-deps.ts'
import { type RegistryBed, registryBed } from './registry-bed.ts'

const owner = party('who owns a stream of several feeds').identityKey

let bed: RegistryBed
let deps: FeedDeps
beforeAll(async () => {
  bed = await registryBed()
  deps = publisherDeps(bed, { streamsPerIdentityMax: 20 })
})
afterAll(() => bed.end())

async function makeStream() {
  const edit = orThrow(await makeOwnStream(deps, owner, 'shared', {}))
  if (edit.did !== 'done') throw new Error(edit.did)
  return edit.value
}

/** A moment later than whatever was before. */
const later = () => {
  bed.clock.nowMs += 1_000
}

async function register(streamId: string, policy: Json) {
  later()
  return registerFeed(deps, owner, {
    ...{ name: 'meter', stream: undefined, namesStreams: true },
    feed: { name: 'meter', streams: [streamId], policy },
  })
}

async function registered(streamId: string, policy: Json) {
  const edit = orThrow(await register(streamId, policy))
  if (edit.did !== 'done') throw new Error(edit.did)
  return edit.value.feedId
}

async function change(feedId: string, policy: Json) {
  later()
  const { version = '' } = (await findOwnFeed(bed.database.pool, feedId, owner)) ?? {}
  return changeFeed(deps, owner, { feedId, version, sent: { policy }, kind: 'patch' })
}

async function seen(streamId: string) {
  later()
  const stream = await findOwnStream(bed.database.pool, streamId, owner)
  if (stream === undefined) throw new Error(`there is no stream ${streamId}`)
  return { streamId, version: stream.version, number: stream.policyNumber }
}

async function policyNo(streamId: string, number: number) {
  const version = await findPolicyVersion(bed.database.pool, streamId, number)
  if (version === undefined) throw new Error(`stream ${streamId} has had no policy ${number}`)
  return version
}

describe('putting an earlier policy in force again', () => {
  test('puts back what the owner has said, and leaves to feeds what is theirs', async () => {
    const streamId = await makeStream()
    const mine = await registered(streamId, { required: ['mine'] })
    const left = await registered(streamId, { required: ['left'] })
    await bed.putSource({ sourceId: 'a-strangers', streams: [streamId], policy: { required: ['theirs'] } })
    const policy = { v: 1, sources: { '*': { required: ['first'] } } }
    orThrow(await putOwnPolicy(deps, owner, { ...(await seen(streamId)), policy }))
    const { number: to } = await seen(streamId)
    expect((await ownersPart(bed.database.pool, await policyNo(streamId, to))).sources).toEqual({
      '*': { required: ['/first'] },
    })

    const another = { v: 1, sources: { '*': { required: ['second'] } } }
    orThrow(await putOwnPolicy(deps, owner, { ...(await seen(streamId)), policy: another }))
    orThrow(await change(mine, { required: ['mine-by-now'] }))
    orThrow(await change(left, null))
    later()
    await bed.putSource({
      sourceId: 'a-strangers',
      streams: [streamId],
      policy: { required: ['theirs-by-now'] },
    })
    expect(await rollBackPolicy(deps, owner, { ...(await seen(streamId)), to })).toMatchObject({
      value: { did: 'done' },
    })
    const { number } = await seen(streamId)
    expect((await policyNo(streamId, number)).policy.sources).toEqual({
      '*': { required: ['/first'] },
      [mine]: { required: ['/mine-by-now'] },
      'a-strangers': { required: ['/theirs-by-now'] },
    })
  })
})

describe('the policy of a stream', () => {
  /** Six of the smallest weigh 240, and are different from each feed to the next. */
  const heavy = (feed: string) => ({
    rules: Array.from({ length: 6 }, (_, n) => ({
      ...{ kind: 'schema', schema: { type: 'object', required: [`${feed}${n}`] } },
    })),
  })
  const refused = {
    ok: false,
    fault: { code: 'policy-invalid', detail: expect.stringContaining('more than the 1000 that publishers') },
  }

  test('weighs no more than one may, however many feeds add to it', async () => {
    const streamId = await makeStream()
    for (const feed of ['a', 'b', 'c', 'd']) await registered(streamId, heavy(feed))
    expect(await register(streamId, heavy('e'))).toMatchObject(refused)
    const light = await registered(streamId, { required: ['e'] })
    expect(await change(light, heavy('e'))).toMatchObject(refused)
    // What is shared is compiled once.
    expect(await change(light, heavy('a'))).toMatchObject({ ok: true })
  })

  test('that an operator has made heavier may become lighter', async () => {
    const streamId = await makeStream()
    for (const feed of ['f', 'g', 'h', 'i', 'j'])
      await bed.putSource({
        sourceId: feed,
        identityKey: owner,
        authentication: 'brc104',
        streams: [streamId],
        policy: heavy(feed),
      })
    expect(await change('f', { rules: heavy('f').rules.slice(1) })).toMatchObject({ ok: true })
    expect(await change('f', heavy('f'))).toMatchObject(refused)
  })
})
