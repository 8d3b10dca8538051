import { afterAll, beforeAll, expect, test } from 'vitest'
import { type LiveBed, openLiveBed, type ServedLive } from '../../support/live-bed.ts'
import { begun, transports } from '../../support/live-clients.ts'
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

test('an event whose time no date-time can say is told of without it, and those around it as ever', async () => {
  const event = (name: string, timestamp: number) => ({
    ...{ eventType: name, externalId: name, data: {}, timestamp },
  })
  await bed.append([
    event('before', 1_704_067_200_000),
    event('far', 253_402_300_800_000),
    event('farthest', 8_640_000_000_000_001),
  ])
  await bed.append([event('after', 253_402_300_799_999)])
  const sealed = await bed.seal()
  await bed.reach(sealed.length - 1, 'anchored')

  for (const follow of Object.values(transports)) {
    const client = await begun(follow(served.port, { path: '/overlay/events/stream?last_event_id=earliest' }))
    const told = () => client.messages.filter(({ type }) => type === 'event')
    await until(() => told().length >= 4)
    expect(told().map(({ eventType, timestamp }) => [eventType, timestamp])).toEqual([
      ['before', '2024-01-01T00:00:00.000Z'],
      ['far', null],
      ['farthest', null],
      ['after', '9999-12-31T23:59:59.999Z'],
    ])
    client.close()
  }
})
