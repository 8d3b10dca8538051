import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { recount } from '../../../src/adapters/log/recount.ts'
import { noteRefusal, REFUSALS_MAX } from '../../../src/adapters/quarantine/note-step.ts'
import { findHeld, listQuarantine, readSteps } from '../../../src/adapters/quarantine/read-quarantine.ts'
import { waive } from '../../../src/adapters/quarantine/waive.ts'
import type { Json } from '../../../src/core/canonical-json.ts'
import { EARLIER_PAYLOADS_MAX } from '../../../src/core/event/identity.ts'
import { namesOf } from '../../../src/core/event/quality-flags.ts'
import type { Source } from '../../../src/core/registry/source.ts'
import type { Decider } from '../../../src/ingest/may-decide.ts'
import { type ReleaseRequest, releaseHeld } from '../../../src/ingest/release.ts'
import { type LogBed, openLogBed, sampleSource } from '../../support/log-bed.ts'

const admin: Decider = { role: 'admin', who: 'bearer' }
const owner: Decider = { role: 'publisher', who: 'owner', identityKey: `02${'22'.repeat(32)}` }
const strict: Source = {
  ...sampleSource,
  identityKey: `02${'22'.repeat(32)}`,
  unknownStream: 'quarantine',
  time: { skewMsMax: 1000, onFuture: 'quarantine', staleMsMax: 60_000, onStale: 'quarantine' },
}

let bed: LogBed
beforeEach(async () => {
  bed = await openLogBed()
})
afterEach(async () => {
  expect((await recount(bed.database.pool, { deep: true })).discrepancy).toBeUndefined()
  await bed.end()
})

const event = (timestamp: number, value: Json, more: { readonly [key: string]: Json } = {}): Json => ({
  id: `e-${timestamp}`,
  type: 'reading',
  source: 'sensor-1',
  timestamp,
  data: { value },
  ...more,
})
const secret = (timestamp: number) =>
  event(timestamp, 'payload', { provenance: { policyTags: ['PII'], classification: 'UNCLASSIFIED' } })

async function heldId(item: Json, how: { streamId?: string } = {}): Promise<number> {
  const [answer] = await bed.send([item], { source: strict, ...how })
  if (answer?.status !== 'quarantined') throw new Error(`not held: ${JSON.stringify(answer)}`)
  return Number(answer.quarantineId)
}

function release(request: Omit<ReleaseRequest, 'by' | 'override'> & Partial<ReleaseRequest>) {
  const { pool } = bed.database
  return releaseHeld(
    { by: admin, override: false, ...request },
    {
      find: id => findHeld(pool, id),
      findSource: async () => strict,
      findStream: async streamId => bed.streams.get(streamId),
      accept: bed.accept,
      noteRefusal: (id, refusal) => noteRefusal(pool, id, refusal),
      now: () => bed.clock.ms,
    },
  )
}

const waived = (id: number, why = 'a test') =>
  waive(bed.database.pool, { id, who: 'bearer', why, nowMs: bed.clock.ms })
const actionsOf = async (id: number) =>
  (await readSteps(bed.database.pool, id)).map(({ action, who }) => `${action} by ${who}`)
async function totals() {
  const { rows } = await bed.database.pool.query(
    'select next_seq as accepted, received, duplicate, rejected, quarantined, waived from partition_heads order by partition_id',
  )
  return rows
}

describe('a held event that is released', () => {
  test('is not let in for the same reason again, until somebody overrides it', async () => {
    const id = await heldId(event(bed.clock.ms - 100_000, 1))
    expect(await release({ id })).toEqual({
      kind: 'stays',
      detail: expect.stringMatching(/would be held again \(stale-event-time\).*override/),
    })
    const released = await release({ id, override: true })
    expect(released).toMatchObject({
      kind: 'released',
      item: { id, state: 'released', eventId: expect.any(String) },
    })
    expect(await totals()).toEqual([
      { accepted: 1, received: 1, duplicate: 0, rejected: 0, quarantined: 0, waived: 0 },
    ])
    expect(await actionsOf(id)).toEqual(['held by ingest', 'refused by bearer', 'released by bearer'])
  })

  test('carries the flag that override stands for', async () => {
    const id = await heldId(event(bed.clock.ms + 100_000, 1))
    await release({ id, override: true })
    const { rows } = await bed.database.pool.query(
      `select (regexp_match(convert_from(lines, 'UTF8'), '"qualityFlags":(\\d+)'))[1]::int as flags from segments where count > 0`,
    )
    expect(namesOf(rows[0]?.flags)).toEqual(['FUTURE_EVENT_TIME'])
  })

  test('is let in by itself once its time has come', async () => {
    const id = await heldId(event(bed.clock.ms + 100_000, 1))
    bed.clock.ms += 100_000
    expect(await release({ id })).toMatchObject({ kind: 'released' })
  })

  test('is answered to everybody as to the first, however often and at once', async () => {
    const id = await heldId(event(bed.clock.ms - 100_000, 1))
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => release({ id, override: true })))
    expect(new Set(outcomes.map(outcome => JSON.stringify(outcome))).size).toBe(1)
    expect(await release({ id })).toEqual(outcomes[0])
    expect(await totals()).toMatchObject([{ accepted: 1, received: 1, quarantined: 0 }])
    expect((await actionsOf(id)).filter(each => each.startsWith('released'))).toHaveLength(1)
  })

  test('names the event that says the same, where that has come in meanwhile', async () => {
    const item = event(bed.clock.ms - 100_000, 1)
    const id = await heldId(item)
    const [accepted] = await bed.send([item])
    const eventId = accepted?.status === 'accepted' && accepted.eventId
    expect(await release({ id, override: true })).toMatchObject({ kind: 'released', item: { eventId } })
    expect(await totals()).toMatchObject([{ accepted: 1, received: 2, duplicate: 1, quarantined: 0 }])
  })

  test('can be edited, and both what was held and the edit stay on record', async () => {
    const id = await heldId(secret(bed.clock.ms))
    const edit = { carried: { policyTags: null }, payload: { value: 'open' } }
    expect(await release({ id, edit })).toMatchObject({ kind: 'released' })
    const { rows } = await bed.database.pool.query<{ text: string }>(
      `select convert_from(lines, 'UTF8') as text from segments where count > 0`,
    )
    expect(rows[0]?.text).toContain('"value":"open"')
    expect(rows[0]?.text).not.toContain('PII')
    expect(await findHeld(bed.database.pool, id)).toMatchObject({
      held: { carried: { policyTags: ['PII'] } },
    })
    const [, step] = await readSteps(bed.database.pool, id)
    expect([step?.action, JSON.parse(step?.detail ?? '')]).toEqual(['edited', edit])
  })

  test.each<[string, Json]>([
    ['a member that there is not', { colour: 'red' }],
    ['no payload', { payload: null }],
    ['a time that is none', { eventTime: { ms: -1 } }],
    ['tags that are none', { carried: { policyTags: 'PII' } }],
  ])('stays where an edit gives it %s', async (_, edit) => {
    const id = await heldId(secret(bed.clock.ms))
    expect(await release({ id, edit: Object(edit) })).toEqual({
      kind: 'stays',
      detail: expect.stringContaining('cannot be read as an event'),
    })
    expect(await totals()).toMatchObject([{ accepted: 0, quarantined: 1 }])
  })

  test('never enters a public stream against its own tags, whoever overrides', async () => {
    const id = await heldId(secret(bed.clock.ms))
    expect(await release({ id, override: true })).toEqual({
      kind: 'stays',
      detail: expect.stringMatching(/audience-mismatch.*cannot be overridden/),
    })
    await bed.putStream({ streamId: 'closed', audience: 'restricted', blindKey: new Uint8Array(32).fill(7) })
    expect(await release({ id, streamId: 'closed' })).toMatchObject({ kind: 'released' })
    expect(await totals()).toEqual([
      { accepted: 0, received: 1, duplicate: 0, rejected: 0, quarantined: 0, waived: 1 },
      { accepted: 1, received: 1, duplicate: 0, rejected: 0, quarantined: 0, waived: 0 },
    ])
  })

  test('has to be told where to go, if its source named a stream that it may not write to', async () => {
    const id = await heldId(event(bed.clock.ms, 1), { streamId: 'elsewhere' })
    expect(await release({ id })).toMatchObject({
      kind: 'stays',
      detail: expect.stringContaining('name the stream'),
    })
    expect(await release({ id, streamId: 'nowhere' })).toMatchObject({
      kind: 'stays',
      detail: expect.stringContaining('there is no stream "nowhere"'),
    })
    expect(await release({ id, streamId: 'readings' })).toMatchObject({ kind: 'released' })
  })

  test('is let in by its publisher too, but nowhere else than its source may write to', async () => {
    const id = await heldId(secret(bed.clock.ms))
    await bed.putStream({ streamId: 'closed', audience: 'restricted', blindKey: new Uint8Array(32).fill(7) })
    expect(await release({ id, by: owner, streamId: 'closed' })).toMatchObject({ kind: 'stays' })
    const stranger = { ...owner, identityKey: `02${'33'.repeat(32)}` }
    expect(await release({ id, by: stranger })).toEqual({ kind: 'forbidden' })
    expect(await release({ id, by: owner, edit: { carried: { policyTags: null } } })).toMatchObject({
      kind: 'released',
    })
  })

  test('is unknown where it never was', async () => {
    expect(await release({ id: 77 })).toEqual({ kind: 'unknown' })
  })
})

describe('a held event that is waived', () => {
  test('is counted as such, with the reason, and not let in any more', async () => {
    const id = await heldId(secret(bed.clock.ms))
    expect(await waived(id, 'sent by mistake')).toMatchObject({ isNow: true, item: { id, state: 'waived' } })
    expect(await totals()).toEqual([
      { accepted: 0, received: 1, duplicate: 0, rejected: 0, quarantined: 0, waived: 1 },
    ])
    expect((await readSteps(bed.database.pool, id)).at(-1)).toMatchObject({
      action: 'waived',
      detail: 'sent by mistake',
    })
    expect(await release({ id })).toMatchObject({ kind: 'stays', detail: expect.stringContaining('waived') })
  })

  test('is waived once, and what was released stays so', async () => {
    const [first, second] = [
      await heldId(secret(bed.clock.ms)),
      await heldId(event(bed.clock.ms - 100_000, 1)),
    ]
    await Promise.all([waived(first), waived(first), waived(first)])
    await release({ id: second, override: true })
    expect(await waived(second)).toMatchObject({ isNow: false, item: { state: 'released' } })
    expect(await waived(99)).toBeUndefined()
    expect(await totals()).toMatchObject([{ accepted: 1, received: 2, quarantined: 0, waived: 1 }])
  })

  test('is either waived or released, if both are asked for at once', async () => {
    const ids: number[] = []
    for (let i = 0; i < 6; i++) ids.push(await heldId(event(bed.clock.ms - 100_000 - i, i)))
    await Promise.all(ids.flatMap(id => [waived(id), release({ id, override: true })]))
    const [counts] = await totals()
    expect(counts.quarantined).toBe(0)
    expect(counts.waived + counts.accepted).toBe(6)
  })
})

describe('the list of what is held', () => {
  test('is filtered, and read page by page', async () => {
    for (let i = 0; i < 5; i++) await heldId(secret(bed.clock.ms + i))
    await heldId(event(bed.clock.ms - 100_000, 1))
    await heldId(event(bed.clock.ms, 1), { streamId: 'elsewhere' })
    const ids = async (filter: Parameters<typeof listQuarantine>[1], below?: number, limit = 100) =>
      (await listQuarantine(bed.database.pool, filter, { below, limit })).map(({ id }) => id)
    expect(await ids({})).toEqual([7, 6, 5, 4, 3, 2, 1])
    expect(await ids({}, undefined, 3)).toEqual([7, 6, 5])
    expect(await ids({}, 5, 3)).toEqual([4, 3, 2])
    expect(await ids({ reason: 'stale-event-time' })).toEqual([6])
    expect(await ids({ sourceId: 'other' })).toEqual([])
    expect(await ids({ sourceId: 'sensor-1', streamId: 'readings', reason: 'unknown-stream' })).toEqual([7])
    expect(await ids({ tenantId: 'a' })).toEqual([])
    expect(await ids({ fromMs: bed.clock.ms, untilMs: bed.clock.ms + 1 }, 3)).toEqual([2, 1])
    expect(await ids({ untilMs: bed.clock.ms })).toEqual([])
    await waived(4)
    expect(await ids({ state: 'waived' })).toEqual([4])
    expect(await ids({ state: 'held' })).toEqual([7, 6, 5, 3, 2, 1])
  })
})

describe('an item that cannot be told to be new', () => {
  const named = (timestamp: number, value: number, more: { readonly [key: string]: Json } = {}): Json => ({
    ...{ eventType: 'reading', externalId: 'a', timestamp, data: { value } },
    ...more,
  })
  /** So many payloads of one id that some are forgotten. */
  async function forget() {
    const payloads = Array.from({ length: EARLIER_PAYLOADS_MAX + 2 }, (_, i) => named(bed.clock.ms + i, i))
    await bed.send(payloads, { source: strict })
  }
  const later = () => ({ eventTime: { ms: bed.clock.ms + 900 } })
  const items = async () =>
    (await bed.database.pool.query('select id, state, reason from quarantine order by id')).rows

  test('stays held until what it is told by is edited, and no try leaves another one behind', async () => {
    await forget()
    const id = await heldId(named(bed.clock.ms - 1, -1))
    for (const edit of [undefined, { payload: { value: -2 } }, { payload: { value: -3 } }])
      expect(await release({ id, ...(edit && { edit }) })).toEqual({
        kind: 'stays',
        detail: expect.stringContaining('edit its nativeId or its eventTime, or waive it'),
      })
    expect(await items()).toEqual([{ id, state: 'held', reason: 'identity-undecided' }])
    expect(await actionsOf(id)).toEqual([
      'held by ingest',
      ...['refused by bearer', 'refused by bearer', 'refused by bearer'],
    ])
    expect(await release({ id, edit: later() })).toMatchObject({
      kind: 'released',
      item: { eventId: expect.any(String) },
    })
  })

  test('stays held as what it was, where that shows only once the log is asked', async () => {
    await forget()
    const id = await heldId(named(bed.clock.ms - 1, -1, { policyTags: ['PII'] }))
    const untagged = { carried: { policyTags: null } }
    for (let tries = 0; tries < 2; tries++)
      expect(await release({ id, edit: untagged })).toEqual({
        kind: 'stays',
        detail: expect.stringMatching(/would be held again \(identity-undecided\).*edit its nativeId/),
      })
    expect(await items()).toEqual([{ id, state: 'held', reason: 'audience-mismatch' }])
    expect(await actionsOf(id)).toEqual(['held by ingest', 'refused by bearer', 'refused by bearer'])
    const { rows: decisions } = await bed.database.pool.query('select what from registry_changes')
    expect(decisions).toEqual([])
    expect(await release({ id, edit: { ...untagged, ...later() } })).toMatchObject({ kind: 'released' })
  })
})

describe('what comes to nothing', () => {
  test('is on record so often that what is decided at last is still shown', async () => {
    const id = await heldId(event(bed.clock.ms - 100_000, 1))
    for (let tries = 0; tries < REFUSALS_MAX + 2; tries++)
      expect(await release({ id })).toMatchObject({ kind: 'stays' })
    await waived(id)
    const actions = (await readSteps(bed.database.pool, id)).map(({ action }) => action)
    expect(actions).toEqual(['held', ...Array.from({ length: REFUSALS_MAX }, () => 'refused'), 'waived'])
  })
})
