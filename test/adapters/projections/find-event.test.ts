import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openFindEvent } from '../../../src/adapters/projections/find-event.ts'
import { projectionBounds, projectSome } from '../../../src/adapters/projections/project.ts'
import { anybody } from '../../../src/core/registry/may-read.ts'
import type { ItemAnswer } from '../../../src/ingest/arrived.ts'
import { type LogBed, openLogBed } from '../../support/log-bed.ts'

let bed: LogBed
beforeEach(async () => {
  bed = await openLogBed()
})
afterEach(() => bed.end())

const idOf = (answer: ItemAnswer | undefined) =>
  answer?.status === 'accepted' || answer?.status === 'revision' ? answer.eventId : ''
const finding = (...[pool, options]: Parameters<typeof openFindEvent>) => {
  const find = openFindEvent(pool, options)
  return (eventId: string) => find(eventId, anybody)
}
const project = () => projectSome(bed.database.pool, projectionBounds, bed.clock.ms)

describe('an event', () => {
  test('is found the same before and after it is projected', async () => {
    const find = finding(bed.database.pool)
    const items = Array.from({ length: 20 }, (_, n) => ({
      externalId: `ö-${n}`,
      eventType: 'räum',
      data: { n: `ü${n}` },
    }))
    const answers = await bed.send(items)
    const before = await Promise.all(answers.map(answer => find(idOf(answer))))
    expect(before[7]).toMatchObject({
      eventId: idOf(answers[7]),
      stream: { streamId: 'readings', audience: 'public', published: true },
      partition: 0,
      seq: 7,
      sourceId: 'sensor-1',
      type: 'räum',
      ingestTimeMs: bed.clock.ms,
      envelope: { nativeId: 'ö-7', payload: { n: 'ü7' } },
      packetId: null,
      state: 'received',
    })
    await project()
    expect(await Promise.all(answers.map(answer => find(idOf(answer))))).toEqual(before)
  })

  test('is not mistaken for one whose payload has its id', async () => {
    const find = finding(bed.database.pool)
    const eventId = 'ab'.repeat(32)
    await bed.send([{ externalId: 'a', data: { eventId } }])
    expect(await find(eventId)).toBeUndefined()
  })

  test('that nobody has sent is not found, nor is anything in an empty log', async () => {
    const find = finding(bed.database.pool)
    expect(await find('cd'.repeat(32))).toBeUndefined()
    await bed.send([{ externalId: 'a', data: 1 }])
    await project()
    expect(await find('cd'.repeat(32))).toBeUndefined()
  })

  test('cannot be said to be missing while more is to be projected than is looked through', async () => {
    const find = finding(bed.database.pool, { tailMax: 100 })
    const [answer] = await bed.send([{ externalId: 'a', data: 1 }])
    expect(await find(idOf(answer))).toBe('behind')
    await project()
    expect(await find(idOf(answer))).toMatchObject({ eventId: idOf(answer) })
  })

  test('that may not be read is one that was never sent, projected or not, however far projections are behind', async () => {
    const { pool } = bed.database
    const find = finding(pool, { tailMax: 100 })
    const [projected] = await bed.send([{ externalId: 'a', data: 1 }])
    await project()
    const [behind] = await bed.send([{ externalId: 'b', data: 1 }])
    const ids = [idOf(projected), idOf(behind), 'cd'.repeat(32)]
    const outside = () => Promise.all(ids.map(find))
    expect(await find('cd'.repeat(32))).toBe('behind')
    await pool.query(`update streams set published = false`)
    expect(await outside()).toEqual([undefined, undefined, undefined])

    // Also where something that may be read is behind.
    await bed.putStream({ streamId: 'others' })
    const source = { ...bed.source, sourceId: 'sensor-2', streams: ['others'] as const }
    await bed.send([{ externalId: 'c', data: 'c'.repeat(200) }], { source })
    expect(await outside()).toEqual(['behind', 'behind', 'behind'])
  })

  test('is found in its packet once that is sealed, with what became of it', async () => {
    const { pool } = bed.database
    const find = finding(pool)
    const answers = await bed.send([1, 2, 3].map(n => ({ externalId: `n-${n}`, data: n })))
    await project()
    const [policy, hash] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
    await pool.query(
      `insert into seal_marks values ((select id from partitions), 0, 2, 1, 0, $1, $1, 2, 0, 0, 0, 0, 'time', 0)`,
      [policy],
    )
    await pool.query(
      `insert into packets values ((select id from partitions), 0, $1, '{}', 0, 2, 1, $1, 0)`,
      [hash],
    )
    expect(await find(idOf(answers[1]))).toMatchObject({
      packetNo: 0,
      packetId: '02'.repeat(32),
      state: 'received',
    })
    expect(await find(idOf(answers[2]))).toMatchObject({ packetNo: null, packetId: null })
    await pool.query(
      `insert into packet_states (partition_id, packet_no, state, ingested_at, content_hash, changed_at)
        values ((select id from partitions), 0, 'certified', now(), $1, to_timestamp(1800000100))`,
      [hash],
    )
    expect(await find(idOf(answers[1]))).toMatchObject({
      state: 'certified',
      contentHash: '02'.repeat(32),
      changedMs: 1_800_000_100_000,
    })
    const { rows } = await pool.query('select validation_status, state from overlay_events order by sequence')
    expect(rows.map(({ validation_status }) => validation_status)).toEqual([
      'certified',
      'certified',
      'pending',
    ])
  })
})
