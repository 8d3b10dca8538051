import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { recount } from '../../../src/adapters/log/recount.ts'
import type { Json } from '../../../src/core/canonical-json.ts'
import { EARLIER_PAYLOADS_MAX } from '../../../src/core/event/identity.ts'
import type { ItemAnswer } from '../../../src/ingest/arrived.ts'
import { type LogBed, openLogBed, policyOf, sampleSource } from '../../support/log-bed.ts'

let bed: LogBed
beforeEach(async () => {
  bed = await openLogBed()
})
afterEach(async () => {
  expect((await recount(bed.database.pool, { deep: true })).discrepancy).toBeUndefined()
  await bed.end()
})

const held = async (items: readonly Json[]): Promise<string[]> => {
  const answers = await bed.send(items)
  return answers.map(answer => (answer.status === 'quarantined' ? answer.quarantineId : answer.status))
}
const releasing = (quarantineId = '') => ({ releases: [{ quarantineId, who: 'owner' }] })
const states = async () =>
  (await bed.database.pool.query<{ state: string }>('select state from quarantine order by id')).rows.map(
    ({ state }) => state,
  )

describe('an event that nobody can tell from others', () => {
  test('is held in the partition that counts it, however many there are', async () => {
    await bed.putStream({ streamId: 'readings', shards: { by: 'event-id', count: 4 } })
    const native = (value: number, timestamp: number): Json => ({
      ...{ eventType: 'reading', externalId: 'a', timestamp, data: { value } },
    })
    const payloads = Array.from({ length: EARLIER_PAYLOADS_MAX + 2 }, (_, i) => native(i, 1_000 + i))
    await bed.send(payloads)
    const ids = await held(Array.from({ length: 8 }, (_, i) => native(-1 - i, 1)))
    expect(new Set(ids).size).toBe(8)
    expect((await recount(bed.database.pool)).discrepancy).toBeUndefined()
    for (const [i, id] of ids.entries()) await bed.send([native(-1 - i, 5_000 + i)], releasing(id))
    expect(await states()).toEqual(ids.map(() => 'released'))
  })
})

describe('a held event', () => {
  const secret: Json = { eventType: 'reading', timestamp: 5, data: { v: 1 }, policyTags: ['PII'] }
  const plain: Json = { v: 1 }

  test('leaves quarantine once, also for two that let it go at the same moment', async () => {
    const [id] = await held([secret])
    const busy = bed.send([{ v: 0 }])
    const both = await Promise.all([bed.send([plain], releasing(id)), bed.send([plain], releasing(id)), busy])
    const statuses = both.slice(0, 2).map(([answer]: readonly ItemAnswer[]) => answer?.status)
    expect(statuses.sort()).toEqual(['accepted', 'duplicate'])
  })

  test('leaves quarantine although its source has used up its limits', async () => {
    const [id] = await held([secret])
    const source = { ...sampleSource, limits: { eventsPerDay: 5 } }
    await bed.send([{ v: 2 }, { v: 3 }], { source })
    const lowered = { ...sampleSource, limits: { eventsPerDay: 1 } }
    const [released] = await bed.send([plain], { ...releasing(id), source: lowered })
    expect(released).toMatchObject({ status: 'accepted' })
  })

  test('stays there under its id where it would be held again, and nothing else is held for it', async () => {
    const [id] = await held([secret])
    for (let tries = 0; tries < 2; tries++)
      expect(await bed.send([secret], releasing(id))).toMatchObject([
        { status: 'quarantined', quarantineId: id, reason: 'audience-mismatch' },
      ])
    expect(await states()).toEqual(['held'])
    const { rows } = await bed.database.pool.query(
      'select (select count(*) from registry_changes)::int as decisions, count(*)::int as steps from quarantine_steps',
    )
    expect(rows).toEqual([{ decisions: 0, steps: 1 }])
    expect((await bed.send([plain], releasing(id)))[0]).toMatchObject({ status: 'accepted' })
  })

  test('stays there where what was made of it cannot be an event', async () => {
    const constants = policyOf({ v: 1, constants: ['type'] })
    const [id] = await held([secret])
    await bed.putStream({ streamId: 'readings', ...constants, policyNo: 2 })
    const [refused] = await bed.send([{ eventType: 'another', timestamp: 5, data: 1 }], releasing(id))
    expect(refused).toMatchObject({ status: 'rejected' })
    expect(await states()).toEqual(['held'])
    expect((await bed.send([plain], releasing(id)))[0]).toMatchObject({ status: 'accepted' })
  })
})
