import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readAudit } from '../../../src/adapters/publishers/audit.ts'
import { ownQuarantineSql, ownQuarantineValues } from '../../../src/adapters/publishers/own-quarantine.ts'
import { makeOwnStream } from '../../../src/adapters/publishers/own-streams.ts'
import { EARLIER_PAYLOADS_MAX } from '../../../src/core/event/identity.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { quarantineReasons } from '../../../src/ingest/arrived.ts'
import { type HeldBed, openHeldBed, tagged } from '../../support/held-bed.ts'
import { party } from '../../support/pipeline.ts'
import { publisherDeps } from '../registry/publisher-deps.ts'

const [owner, sender, stranger] = ['who has the stream', 'who has the feed', 'who has neither'].map(
  name => party(name).identityKey,
) as [string, string, string]
const strict = { unknownStream: 'quarantine', time: { staleMsMax: 60_000, onStale: 'quarantine' } } as const
const theirs = { sourceId: 'theirs', identityKey: sender, streams: ['shared', 'of-sender'], ...strict }
const untagged = { carried: { policyTags: null } }

let bed: HeldBed
beforeAll(async () => {
  bed = await openHeldBed()
  // As operators arrange it: publishers write to streams of their own.
  await bed.putStream({ streamId: 'shared', ownerKey: owner })
  await bed.putStream({ streamId: 'owners-other', ownerKey: owner })
  await bed.putStream({ streamId: 'of-sender', ownerKey: sender })
  await bed.putSource(theirs)
  await bed.putSource({ sourceId: 'nobodys', streams: ['shared', 'owners-other'], ...strict })
}, 60_000)
afterAll(() => bed.end())

const own = () => bed.quarantine.own
const versionOf = async (id: number) => (await bed.quarantine.inspect(id))?.item.version ?? ''
const release = async (id: number, identityKey: string, more: object = {}) =>
  own().release({ id, identityKey, seen: await versionOf(id), override: false, ...more })
const listed = async (identityKey: string, more: object = {}) =>
  (
    await own().list({
      ...{ identityKey, states: ['held', 'released', 'waived'], limit: 100, ...more },
    })
  ).map(({ id }) => id)

const toldOf = async (identityKey: string, streamId: string) =>
  JSON.stringify(await readAudit(bed.database.pool, { identityKey, streamId, limit: 100 }))

describe('what another publisher has sent for a stream', () => {
  test('is seen by both, and by nobody else', async () => {
    const id = await bed.hold('theirs')
    expect(await own().inspect(id, sender)).toMatchObject({
      authority: { edit: true, override: true, reach: 'of-source' },
    })
    expect(await own().inspect(id, owner)).toMatchObject({
      authority: { edit: false, override: false, reach: 'own' },
    })
    expect(await own().inspect(id, stranger)).toBeUndefined()
    for (const who of [sender, owner]) expect(await listed(who)).toContain(id)
    expect(await listed(owner, { streamId: 'shared' })).toContain(id)
    expect(await listed(owner, { feedId: 'theirs' })).toEqual([])
    expect(await listed(sender, { feedId: 'theirs' })).toContain(id)
    expect(await listed(sender, { streamId: 'shared' })).toEqual([])
    expect(await listed(stranger)).toEqual([])
  })

  test('stays the word of who has sent it: the owner of the stream changes nothing of it', async () => {
    const id = await bed.hold('theirs')
    expect(await release(id, owner, { edit: untagged })).toEqual({ kind: 'forbidden', what: 'edit' })
    const late = { eventType: 'reading', timestamp: bed.clock.nowMs - 100_000, data: 1 }
    const stale = await bed.hold('theirs', late)
    expect(await release(stale, owner, { override: true })).toEqual({ kind: 'forbidden', what: 'override' })
    expect(await release(id, sender, { edit: untagged })).toMatchObject({ kind: 'released' })
    expect(await release(stale, sender, { override: true })).toMatchObject({ kind: 'released' })
  })

  test('goes to no stream of somebody else on the word of the owner', async () => {
    const id = await bed.hold('theirs')
    for (const streamId of ['of-sender', 'owners-other', 'nowhere'])
      expect(await release(id, owner, { streamId })).toEqual({
        kind: 'stays',
        detail: `there is no stream "${streamId}" that it could go to; name another one`,
      })
  })

  test('may be given up by either, whom both find in the record of changes', async () => {
    const id = await bed.hold('theirs')
    const waived = await own().waive({ id, identityKey: owner, seen: await versionOf(id), why: 'not here' })
    expect(waived).toMatchObject({ kind: 'waived', item: { state: 'waived' } })
    const found = async (identityKey: string) => {
      const { changes } = await readAudit(bed.database.pool, { identityKey, limit: 1 })
      return changes.map(({ who, kind, subject, what }) => ({ who, kind, subject, what }))
    }
    const entry = { who: owner, kind: 'quarantine', subject: 'theirs', what: 'waived' }
    expect([await found(owner), await found(sender), await found(stranger)]).toEqual([[entry], [entry], []])
  })

  test('is not shown to the owner of the stream where it was meant for another one', async () => {
    const id = await bed.hold('theirs', { eventType: 'reading', data: 'private' }, { streamId: 'elsewhere' })
    expect((await bed.quarantine.inspect(id))?.item).toMatchObject({
      streamId: 'shared',
      reason: 'unknown-stream',
    })
    expect(await own().inspect(id, owner)).toBeUndefined()
    expect(await listed(owner)).not.toContain(id)
    expect(await listed(sender)).toContain(id)
    expect(await release(id, owner, { streamId: 'shared' })).toEqual({ kind: 'forbidden' })
    expect(await release(id, sender, { streamId: 'of-sender' })).toMatchObject({ kind: 'released' })
    const { changes } = await readAudit(bed.database.pool, { identityKey: owner, limit: 100 })
    expect(JSON.stringify(changes)).not.toContain('unknown-stream')
  })
})

describe('what was sent for a stream while it was of another tenant', () => {
  test('is nothing to its new owner: neither listed, nor decided, nor told of', async () => {
    await bed.putStream({ streamId: 'moves', tenantId: 'a', ownerKey: owner })
    await bed.putStream({ streamId: 'stays', tenantId: 'a' })
    const tenants = { sourceId: 'of-tenant', tenantId: 'a', identityKey: sender }
    await bed.putSource({ ...tenants, streams: ['moves'] })
    const [kept, waived] = [await bed.hold('of-tenant'), await bed.hold('of-tenant')]
    const seen = await versionOf(waived)
    await own().waive({ id: waived, identityKey: owner, seen, why: 'a secret of the tenant' })
    expect(await listed(owner, { streamId: 'moves' })).toEqual([waived, kept])
    expect(await toldOf(owner, 'moves')).toContain('a secret of the tenant')

    await bed.putSource({ ...tenants, streams: ['stays'] })
    await bed.putStream({ streamId: 'moves', ownerKey: stranger })
    await bed.putSource({ sourceId: 'comes', streams: ['moves'] })
    const fresh = await bed.hold('comes')
    expect(await listed(stranger)).toEqual([fresh])
    expect(await listed(stranger, { streamId: 'moves', limit: 1, before: fresh })).toEqual([])
    expect(await own().inspect(kept, stranger)).toBeUndefined()
    expect(await release(kept, stranger, { edit: untagged })).toEqual({ kind: 'forbidden' })
    const asked = { id: kept, identityKey: stranger, seen: await versionOf(kept), why: 'not mine' }
    expect(await own().waive(asked)).toEqual({ kind: 'unknown' })
    expect(await toldOf(stranger, 'moves')).not.toContain('a secret of the tenant')
    expect(await listed(sender, { feedId: 'of-tenant' })).toEqual([waived, kept])
  })
})

describe('what a feed without a publisher has sent for a stream', () => {
  test('is changed and let in by the owner of the stream, into streams of theirs', async () => {
    const [here, there] = [await bed.hold('nobodys'), await bed.hold('nobodys')]
    expect(await release(here, owner, { edit: untagged })).toMatchObject({ kind: 'released' })
    expect(await release(there, owner, { edit: untagged, streamId: 'owners-other' })).toMatchObject({
      kind: 'released',
    })
    expect(await release(await bed.hold('nobodys'), owner, { override: true })).toEqual({
      kind: 'forbidden',
      what: 'override',
    })
  })

  test('is nobody\u2019s any more once the stream has another owner', async () => {
    const id = await bed.hold('nobodys')
    expect(await own().inspect(id, owner)).toBeDefined()
    await bed.putStream({ streamId: 'shared', ownerKey: sender })
    bed.registry.forget()
    expect(await own().inspect(id, owner)).toBeUndefined()
    expect(await listed(owner, { streamId: 'shared' })).toEqual([])
    expect(await listed(sender, { streamId: 'shared' })).toContain(id)
    await bed.putStream({ streamId: 'shared', ownerKey: owner })
    bed.registry.forget()
  })
})

describe('a decision', () => {
  test('is not recorded where the node has no room for what it would let in', async () => {
    const id = await bed.hold('theirs')
    const before = await bed.quarantine.inspect(id)
    bed.fill(true)
    expect(await release(id, sender, { edit: untagged })).toMatchObject({
      kind: 'turned-away',
      refusal: { why: 'backlog' },
    })
    bed.fill(false)
    expect(await bed.quarantine.inspect(id)).toEqual(before)
  })

  test('is turned away before anything is looked at where the node has no room, and is counted once', async () => {
    const id = await bed.hold('theirs')
    bed.pressure.refusal = { why: 'disk', retryAfterS: 60 }
    const turnedAway = await release(id, sender, { edit: untagged })
    delete bed.pressure.refusal
    expect(turnedAway).toEqual({ kind: 'turned-away', refusal: { why: 'disk', retryAfterS: 60 } })
    expect(bed.pressure.counted).toEqual([{ why: 'disk', retryAfterS: 60 }])
    expect(await release(id, sender, { edit: untagged })).toMatchObject({ kind: 'released' })
    expect(bed.pressure.counted).toHaveLength(1)
  })

  test('lets nothing in that grows by its edit, so that what was counted when it came is what it has', async () => {
    const id = await bed.hold('theirs')
    const grown = { ...untagged, payload: { note: 'x'.repeat(5_000) } }
    expect(await release(id, sender, { edit: grown })).toMatchObject({
      kind: 'stays',
      detail: expect.stringContaining('characters longer'),
    })
    expect(await release(id, sender, { edit: untagged })).toMatchObject({ kind: 'released' })
  })

  test('lets nothing in while the feed is switched off, unless an operator makes it, and gives up all the same', async () => {
    const [first, second, third] = [
      await bed.hold('theirs'),
      await bed.hold('theirs'),
      await bed.hold('theirs'),
    ]
    await bed.putSource({ ...theirs, enabled: false })
    bed.registry.forget()
    for (const [who, more] of [
      [sender, { edit: untagged }],
      [owner, {}],
    ] as const)
      expect(await release(first, who, more)).toEqual({
        kind: 'stays',
        detail: expect.stringContaining('its feed takes nothing in, because it is switched off'),
      })
    expect(
      await own().waive({ id: second, identityKey: sender, seen: await versionOf(second), why: 'a test' }),
    ).toMatchObject({ kind: 'waived' })
    const operator = { role: 'admin', who: 'an operator' } as const
    expect(
      await bed.quarantine.release({ id: third, by: operator, edit: untagged, override: false }),
    ).toMatchObject({ kind: 'released' })
    await bed.putSource(theirs)
    bed.registry.forget()
    expect(await release(first, sender, { edit: untagged })).toMatchObject({ kind: 'released' })
  })

  test('over what nobody can tell to be new says by what it is told, and no try leaves anything behind', async () => {
    const named = (timestamp: number, value: number) =>
      tagged(value, { externalId: 'one id', timestamp, policyTags: [] })
    const { nowMs } = bed.clock
    const payloads = Array.from({ length: EARLIER_PAYLOADS_MAX + 2 }, (_, i) => named(nowMs + i, i))
    await bed.send('theirs', payloads)
    const id = await bed.hold('theirs', named(nowMs - 1, -1))
    const before = await bed.quarantine.inspect(id)
    expect(before?.item).toMatchObject({ reason: 'identity-undecided' })
    const all = await listed(sender)
    for (const edit of [undefined, { payload: { value: -2 } }])
      expect(await release(id, sender, edit && { edit })).toEqual({
        kind: 'stays',
        detail: expect.stringContaining('edit its nativeId or its eventTime, or waive it'),
      })
    expect(await bed.quarantine.inspect(id)).toEqual(before)
    expect(await listed(sender)).toEqual(all)
    expect(await release(id, sender, { edit: { nativeId: 'another id' } })).toMatchObject({
      kind: 'released',
    })
  })

  test('is none of the changes that a publisher may make in a day', async () => {
    const ids = [await bed.hold('theirs'), await bed.hold('theirs')]
    for (const id of ids)
      expect(await release(id, sender, { edit: untagged })).toMatchObject({ kind: 'released' })
    const deps = publisherDeps(bed, { changesPerDayMax: 1 })
    const made = async () => orThrow(await makeOwnStream(deps, sender, 'one change', {})).did
    expect([await made(), await made()]).toEqual(['done', 'full'])
  })

  test('is asked for with every reason that there is, and pages hold nothing twice', async () => {
    await bed.putSource({ sourceId: 'owners', identityKey: owner, streams: ['owners-other'] })
    for (let i = 0; i < 5; i++) await bed.hold('owners', tagged(1_000 + i))
    const all = await listed(owner)
    expect(new Set(all).size).toBe(all.length)
    const pages: number[] = []
    for (let before: number | undefined; ; before = pages.at(-1)) {
      const page = await listed(owner, { limit: 2, before })
      pages.push(...page)
      if (page.length < 2) break
    }
    expect(pages).toEqual(all)
    expect(await listed(owner, { reasons: [...quarantineReasons] })).toEqual(all)
  })

  test('of a page reads no more items than it shows, however many there are', async () => {
    const { pool } = bed.database
    await pool.query(`insert into quarantine (partition_id, stream_id, source_id, reason, detail, held, authenticated,
        received_ms, state, decided_ms)
      select partition_id, stream_id, 'owners', reason, detail, held, authenticated, received_ms, 'waived', received_ms
        from quarantine cross join generate_series(1, 2000) where source_id = 'owners'`)
    await pool.query('analyze quarantine')
    const question = { identityKey: owner, states: ['held'], reasons: [...quarantineReasons], limit: 3 }
    const { rows } = await pool.query<{ 'QUERY PLAN': string }>(
      `explain (costs off) ${ownQuarantineSql}`,
      ownQuarantineValues(question),
    )
    const read = rows.map(row => row['QUERY PLAN']).filter(line => line.includes(' on quarantine '))
    expect(read.map(line => /using (\w+)/.exec(line)?.[1])).toEqual([
      'quarantine_of_source',
      'quarantine_of_stream',
    ])
    expect(await listed(owner, { states: ['held'], limit: 3 })).toHaveLength(3)
  })
})
