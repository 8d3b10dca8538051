import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { begun, eventIdsOf, type LiveClient, transports } from '../../support/live-clients.ts'
import { party } from '../../support/pipeline.ts'
import { openSubscriptionsBed, type SubscriptionsBed } from '../../support/subscriptions-bed.ts'
import { until } from '../../support/until.ts'

let bed: SubscriptionsBed
beforeAll(async () => {
  bed = await openSubscriptionsBed()
})
afterAll(async () => {
  await bed.end()
  expect(bed.failures).toEqual([])
})

const subscribe = async (more: object = {}) => {
  const { body } = await bed.ask('POST', '/overlay/subscriptions', { type: 'sse', ...more })
  return z.object({ subscription: z.object({ subscriptionId: z.string() }) }).parse(body).subscription
    .subscriptionId
}
const pathOf = async (id: string, { identityKey = bed.owner, query = '' } = {}) => {
  const path = '/overlay/events/stream'
  const { body } = await bed.ask('POST', `${path}/tickets`, undefined, identityKey)
  return `${path}?subscription=${id}&ticket=${String(body['ticket'])}${query}`
}
const told = (client: LiveClient, count: number) =>
  until(() => eventIdsOf(client, 'event').length >= count && eventIdsOf(client, 'event'))

describe.each(Object.entries(transports))('a stored view that is followed by %s', (_, follow) => {
  test('is told as it was asked for, from where it was stored, and goes on where its client says', async () => {
    const id = await subscribe({ filter: { where: { field: '/value', op: '>', value: 0 } } })
    const first = await bed.certify(2)
    const one = await begun(follow(bed.served.port, { path: await pathOf(id) }))
    expect(await told(one, 2)).toEqual(first)
    one.close()

    // It has not said that it has them.
    const again = await begun(follow(bed.served.port, { path: await pathOf(id) }))
    expect(await told(again, 2)).toEqual(first)
    const cursor = again.cursor() ?? ''
    again.close()

    const second = await bed.certify(1)
    const path = await pathOf(id, { query: `&last_event_id=${cursor}` })
    const going = await begun(follow(bed.served.port, { path }))
    expect(await told(going, 1)).toEqual(second)
    expect((await bed.shown(id)).position).toBe(cursor)
    const end = going.cursor() ?? ''
    going.close()

    await bed.ask('POST', `/overlay/subscriptions/${id}/position`, { from: end })
    const third = await bed.certify(1)
    const last = await begun(follow(bed.served.port, { path: await pathOf(id) }))
    expect(await told(last, 1)).toEqual(third)
    last.close()
  })

  test('is let go once it is paused, and not let in until it is resumed', async () => {
    const id = await subscribe()
    const one = await begun(follow(bed.served.port, { path: await pathOf(id) }))
    await bed.ask('PATCH', `/overlay/subscriptions/${id}`, { status: 'paused' })
    await until(() => one.ended() !== undefined)
    expect(one.messages.at(-1)).toMatchObject({ type: 'bye', reason: 'subscription-ended' })
    const refused = await begun(follow(bed.served.port, { path: await pathOf(id) }))
    expect(refused.ended()).toMatch(/^(409|1008 the subscription is paused)$/)
    await bed.ask('PATCH', `/overlay/subscriptions/${id}`, { status: 'active' })
    const owed = await bed.certify(1)
    const back = await begun(follow(bed.served.port, { path: await pathOf(id) }))
    expect(await told(back, 1)).toEqual(owed)
    back.close()
  })

  test('is its owner’s alone, in its time, and says by itself what it wants', async () => {
    const id = await subscribe({ expiresAt: new Date(bed.time.now() + 3_600_000).toISOString() })
    const { body } = await bed.ask('POST', '/overlay/subscriptions', {
      type: 'webhook',
      callbackUrl: 'https://receiver.example/',
    })
    const hook = String(Object(body['subscription']).subscriptionId)
    const refusals = [
      [await pathOf(id, { identityKey: party('somebody else').identityKey }), /^(404|1008 you have no)/],
      [await pathOf('sub_none'), /^(404|1008 you have no)/],
      [await pathOf(hook), /^(400|1008 the subscription is delivered)/],
      [await pathOf(id, { query: '&types=reading' }), /^(400|1008 types is said)/],
      [await pathOf(id, { query: '&last_event_id=earliest' }), /^(400|1008 a subscription goes on)/],
      [`/overlay/events/stream?subscription=${id}`, /^(400|1008 a subscription is followed by)/],
      [`/watch?subscription=${id}`, /^(400|1008 there is no parameter)/],
    ] as const
    for (const [path, why] of refusals)
      expect((await begun(follow(bed.served.port, { path }))).ended()).toMatch(why)
    bed.time.pass(3_600_000)
    const over = await begun(follow(bed.served.port, { path: await pathOf(id) }))
    expect(over.ended()).toMatch(/^(410|1008 the subscription is expired)$/)
    await bed.ask('DELETE', `/overlay/subscriptions/${hook}`)
  })
})
