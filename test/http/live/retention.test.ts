import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { forgetLines } from '../../../src/adapters/log/forget-lines.ts'
import { type LiveBed, openLiveBed } from '../../support/live-bed.ts'
import { begun, eventIdsOf, followSse, type LiveClient } from '../../support/live-clients.ts'
import { readings } from '../../support/readings.ts'
import { until } from '../../support/until.ts'

let bed: LiveBed
/** Ids of the two events of each of four packets. */
const ids: string[][] = []
/** A place behind the first two, of who was told what was received and nothing else. */
let cursor: string
beforeAll(async () => {
  bed = await openLiveBed()
  const makePacket = async () => {
    ids.push(await bed.append(readings(2)))
    const { length } = await bed.seal()
    await bed.reach(length - 1, 'anchored')
  }
  await makePacket()
  const before = await bed.serve()
  const client = await begun(
    followSse(before.port, { path: '/watch?status=received&last_event_id=earliest' }),
  )
  await until(() => eventIdsOf(client, 'received').length === 2)
  cursor = client.cursor() ?? ''
  client.close()
  await before.stop()
  for (let i = 1; i < 3; i++) await makePacket()

  const due = {
    pool: bed.database.pool,
    sealedBeforeMs: bed.clock.ms + 1,
    readPayload: async (rawHash: string) => bed.payloads.get(rawHash),
    isSettled: async () => true,
  }
  while ((await forgetLines(due)) > 0);
  // Of the three whose lines the log has given up, the second has its bytes here.
  const [, second] = await bed.headers()
  await bed.keepOutput(bed.payloads.get(second?.rawHash ?? '') ?? new Uint8Array())
  await makePacket()
  await end('select content_hash from packet_states where packet_no = 0')
})
afterAll(async () => {
  await bed.end()
  expect(bed.failures).toEqual([])
})

/** Its keeping is over. */
const end = (which: string) =>
  bed.database.pool.query(`update uhrp_objects set state = 'expired' where sha256 in (${which})`)
const gapsOf = ({ messages }: LiveClient) =>
  messages.flatMap(({ type, stage, reason, from, oldest }) =>
    type === 'gap' ? [{ stage, reason, from, oldest }] : [],
  )
/** All that it is told by a node that has nothing in memory, up to the last event. */
const toldOf = async (path: string, lastIn: 'received' | 'event' | 'anchored' | 'certified') => {
  const node = await bed.serve()
  const client = await begun(followSse(node.port, { path }))
  await until(() => eventIdsOf(client, lastIn).includes(ids[3]?.[1] ?? ''))
  client.close()
  await node.stop()
  return client
}
const place = (at: number) => ({ at, line: 0 })

describe('once retention has taken lines away', () => {
  test('whoever asks for them is told of each hole, and which is the oldest that is left', async () => {
    const client = await toldOf('/watch?status=received&last_event_id=earliest', 'received')
    expect(eventIdsOf(client, 'received')).toEqual([...(ids[1] ?? []), ...(ids[3] ?? [])])
    expect(gapsOf(client)).toEqual([
      { stage: 'received', reason: 'expired', from: place(0), oldest: place(2) },
      { stage: 'received', reason: 'expired', from: place(4), oldest: place(2) },
    ])
  })

  test('so is who asks for single events of packets, by their numbers', async () => {
    const client = await toldOf('/watch?status=anchored&types=reading&last_event_id=earliest', 'anchored')
    expect(gapsOf(client)).toEqual([
      { stage: 'anchored', reason: 'expired', from: place(0), oldest: place(1) },
      { stage: 'anchored', reason: 'expired', from: place(2), oldest: place(1) },
    ])
  })

  test('certified events have bytes of their own, and an oldest of their own', async () => {
    const client = await toldOf('/overlay/events/stream?last_event_id=earliest', 'event')
    expect(eventIdsOf(client, 'event')).toEqual(ids.slice(1).flat())
    expect(gapsOf(client)).toEqual([
      { stage: 'certified', reason: 'expired', from: place(0), oldest: place(1) },
    ])
  })

  test('a place that says nothing of a stage, or of one that is not asked for, leads to the oldest of that', async () => {
    const node = await bed.serve()
    const both = await begun(
      followSse(node.port, { path: `/watch?status=received,certified&last_event_id=${cursor}` }),
    )
    await until(() => gapsOf(both).length > 0)
    expect(gapsOf(both)[0]).toEqual({
      ...{ stage: 'certified', reason: 'not-in-position', from: null, oldest: place(1) },
    })
    both.close()
    const other = await begun(
      followSse(node.port, { path: `/watch?status=normalized&last_event_id=${cursor}` }),
    )
    await until(() => gapsOf(other).length > 1)
    expect(gapsOf(other)).toEqual([
      // What is told of packets as a whole stays.
      { stage: 'normalized', reason: 'not-in-position', from: null, oldest: place(0) },
      { stage: 'received', reason: 'not-followed', from: place(2), oldest: place(2) },
    ])
    other.close()
    await node.stop()
  })

  test('the oldest is what the log still has, where no bytes of the packets before are left', async () => {
    await end('select raw_hash from packets')
    const client = await toldOf('/watch?status=received&last_event_id=earliest', 'received')
    expect(eventIdsOf(client, 'received')).toEqual(ids[3])
    expect(new Set(gapsOf(client).map(({ oldest }) => JSON.stringify(oldest)))).toEqual(
      new Set([JSON.stringify(place(6))]),
    )
  })
})
