import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LiveBed, openLiveBed, type ServedLive } from '../../support/live-bed.ts'
import { begun, eventIdsOf, transports } from '../../support/live-clients.ts'
import { readings } from '../../support/readings.ts'
import { until } from '../../support/until.ts'

let bed: LiveBed
let served: ServedLive
beforeAll(async () => {
  bed = await openLiveBed()
  served = await bed.serve()
})
afterAll(async () => {
  await bed.end()
  expect(bed.failures).toEqual([])
})

describe.each(Object.entries(transports))('somebody who follows by %s', (_, follow) => {
  test('is told of events as they are received', async () => {
    const client = await begun(follow(served.port, { path: '/watch' }))
    const ids = await bed.append(readings(3))
    await until(() => eventIdsOf(client, 'received').length >= 3)
    expect(eventIdsOf(client, 'received')).toEqual(ids)
    expect(client.messages[0]).toMatchObject({ type: 'hello' })
    client.close()
  })

  test('goes on where it was, as if it had never been away', async () => {
    const first = await begun(follow(served.port, { path: '/watch?status=received' }))
    const before = await bed.append(readings(2))
    await until(() => eventIdsOf(first, 'received').length >= 2)
    first.close()
    const away = await bed.append(readings(2))
    const second = await begun(
      follow(served.port, {
        path: '/watch?status=received',
        headers: { 'Last-Event-ID': first.cursor() ?? '' },
      }),
    )
    const after = await bed.append(readings(2))
    await until(() => eventIdsOf(second, 'received').length >= 4)
    expect(eventIdsOf(first, 'received')).toEqual(before)
    expect(eventIdsOf(second, 'received')).toEqual([...away, ...after])
    second.close()
  })

  test('is told of packets at every stage, and of certified events whole', async () => {
    const ids = await bed.append(readings(3))
    const packetNo = (await bed.seal()).length - 1
    const watching = await begun(follow(served.port, { path: '/watch' }))
    const events = await begun(follow(served.port, { path: '/overlay/events/stream' }))
    for (const state of ['normalized', 'validated', 'anchored', 'proven'] as const)
      await bed.reach(packetNo, state)
    await until(() => watching.messages.some(({ type }) => type === 'proven'))
    await until(() => eventIdsOf(events, 'event').length >= 3)
    expect(watching.messages.flatMap(({ type }) => (type === 'hello' ? [] : [type])).sort()).toEqual(
      ['normalized', 'validated', 'certified', 'anchored', 'proven'].sort(),
    )
    expect(eventIdsOf(watching, 'certified').slice(-3)).toEqual(ids)
    expect(eventIdsOf(events, 'event').slice(-3)).toEqual(ids)
    watching.close()
    events.close()
  })
})
