import { Webhook } from 'standardwebhooks'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { openSubscriptionsBed, type SubscriptionsBed } from '../../support/subscriptions-bed.ts'
import { until } from '../../support/until.ts'
import { eventsTaken, ok, type WebhookReceiver } from '../../support/webhook-receiver.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

let bed: SubscriptionsBed
beforeAll(async () => {
  bed = await openSubscriptionsBed({ WEBHOOK_TIMEOUT_MS: '2000' })
})
afterEach(async () => {
  const { body } = await bed.ask('GET', '/overlay/subscriptions')
  const list = z.array(z.looseObject({ subscriptionId: z.string() })).parse(body['subscriptions'])
  for (const { subscriptionId } of list) await bed.ask('DELETE', `/overlay/subscriptions/${subscriptionId}`)
})
afterAll(async () => {
  await bed.end()
  expect(bed.failures).toEqual([])
})

const webhookOf = async (id: string) => {
  const { webhook } = await bed.shown(id)
  if (webhook === null) throw new Error(`${id} is no webhook`)
  return webhook
}
const took = (receiver: WebhookReceiver, count: number) =>
  until(() => eventsTaken(receiver).length >= count && eventsTaken(receiver))
const failedTimes = (id: string, attempts: number) =>
  until(async () => (await webhookOf(id)).attempts >= attempts)
const lettersOf = async (id: string) => {
  const { body } = await bed.ask('GET', `/overlay/subscriptions/${id}/dead-letters`)
  return z
    .array(z.looseObject({ number: z.string(), webhookId: z.string(), eventIds: z.array(z.string()) }))
    .parse(body['deadLetters'])
}

describe('a webhook', () => {
  test('is told of certified events in their order, and of nothing before its receiver has consented', async () => {
    const receiver = await bed.receiver()
    receiver.consents = () => ({ status: 200 })
    const made = await bed.ask('POST', '/overlay/subscriptions', {
      type: 'webhook',
      callbackUrl: receiver.url,
    })
    const id = Object(made.body['subscription']).subscriptionId
    const first = await bed.certify(2)
    await failedTimes(id, 1)
    expect(await bed.shown(id)).toMatchObject({
      status: 'active',
      webhook: { consent: 'pending', lastError: expect.stringContaining('WebHook-Allowed-Origin') },
    })
    expect(receiver.deliveries).toEqual([])
    receiver.consents = origin => ({ status: 200, headers: { 'webhook-allowed-origin': origin } })
    bed.time.pass(6_000)
    const second = await bed.certify(3)
    expect(await took(receiver, 5)).toEqual([...first, ...second])
  })

  test('is paced as its receiver allows', async () => {
    const receiver = await bed.receiver()
    receiver.consents = () => ({
      status: 204,
      headers: { 'webhook-allowed-origin': '*', 'webhook-allowed-rate': '1' },
    })
    await bed.webhook(receiver)
    const ids = await bed.certify(2)
    expect(await took(receiver, 1)).toEqual(ids.slice(0, 1))
    let passedMs = 0
    await until(() => {
      if (eventsTaken(receiver).length >= 2) return true
      bed.time.pass(1_000)
      passedMs += 1_000
      return false
    })
    expect(eventsTaken(receiver)).toEqual(ids)
    expect(passedMs).toBeGreaterThanOrEqual(60_000)
  })

  test('is signed so that the stock library verifies it, with each secret while they are changed', async () => {
    bed.time.pass(bed.time.behind())
    const receiver = await bed.receiver()
    const { id, secret } = await bed.webhook(receiver)
    receiver.secrets = [secret]
    const first = await bed.certify(1)
    expect(await took(receiver, 1)).toEqual(first)

    const rotated = await bed.ask('POST', `/overlay/subscriptions/${id}/secrets`, { overlapSeconds: 3600 })
    const next = z.object({ secret: z.string() }).parse(rotated.body).secret
    receiver.secrets = [secret, next]
    const second = await bed.certify(1)
    expect(await took(receiver, 2)).toEqual([...first, ...second])

    await bed.ask('POST', `/overlay/subscriptions/${id}/secrets`, { overlapSeconds: 0 })
    receiver.secrets = []
    await bed.certify(1)
    await took(receiver, 3)
    const last = receiver.deliveries.at(-1)
    const headers = z.record(z.string(), z.string()).parse(last?.headers)
    for (const old of [secret, next])
      expect(() => new Webhook(old).verify(last?.body ?? '', headers)).toThrow('No matching signature')
  })

  test('has what it asks for alone, several at a time where it says so', async () => {
    const receiver = await bed.receiver()
    await bed.webhook(receiver, {
      batchMax: 3,
      filter: { types: ['reading'], where: { field: '/value', op: '>', value: 0 }, streams: ['readings'] },
    })
    const none = await bed.receiver()
    await bed.webhook(none, { filter: { where: { field: '/value', op: '<', value: 0 } } })
    const ids = await bed.certify(5)
    expect(await took(receiver, 5)).toEqual(ids)
    expect(receiver.deliveries.map(({ events }) => events.length)).toEqual([3, 2])
    expect(receiver.deliveries[0]?.headers['content-type']).toBe('application/cloudevents-batch+json')
    expect(none.deliveries).toEqual([])
  })
})

describe('a receiver', () => {
  test('that is down for an hour gets all that it was owed, in order', async () => {
    const receiver = await bed.receiver()
    const { id } = await bed.webhook(receiver)
    const owed = await bed.certify(2)
    await took(receiver, 2)
    await receiver.stop()
    for (let minute = 0; minute <= 60; minute += 10) {
      owed.push(...(await bed.certify(2)))
      await failedTimes(id, 1)
      bed.time.pass(10 * MINUTE_MS)
    }
    expect(await bed.shown(id)).toMatchObject({
      status: 'active',
      webhook: { failingSince: expect.any(String), lastError: expect.stringContaining('ECONNREFUSED') },
    })
    await receiver.startAgain()
    bed.time.pass(3 * HOUR_MS)
    expect(await took(receiver, owed.length)).toEqual(owed)
    expect(await webhookOf(id)).toMatchObject({ failingSince: null, attempts: 0 })
  })

  test('that fails is tried again under the same id, with the same events, when the schedule says', async () => {
    const receiver = await bed.receiver()
    const { id } = await bed.webhook(receiver, { batchMax: 10 })
    receiver.answers = () => ({ status: 500, body: 'out of order' })
    const owed = await bed.certify(2)
    await failedTimes(id, 1)
    const later = await bed.certify(1)
    bed.time.pass(6_000)
    await failedTimes(id, 2)
    expect(await webhookOf(id)).toMatchObject({ lastError: 'it answered 500: out of order' })
    receiver.answers = () => ok
    bed.time.pass(4 * MINUTE_MS)
    await bed.certify(0)
    expect(receiver.deliveries).toHaveLength(2)
    bed.time.pass(2 * MINUTE_MS)
    await took(receiver, 7)
    const [first, second, third] = receiver.deliveries
    expect([second?.webhookId, third?.webhookId]).toEqual([first?.webhookId, first?.webhookId])
    expect([second?.body, third?.body]).toEqual([first?.body, first?.body])
    expect(eventsTaken(receiver)).toEqual([...owed, ...owed, ...owed, ...later])
  })

  test('that answers 410 is never called again', async () => {
    const receiver = await bed.receiver()
    const { id } = await bed.webhook(receiver)
    receiver.answers = () => ({ status: 410 })
    await bed.certify(2)
    await until(async () => (await bed.shown(id)).status === 'expired')
    expect(await bed.shown(id)).toMatchObject({ reason: 'gone' })
    bed.time.pass(HOUR_MS)
    const other = await bed.receiver()
    await bed.webhook(other)
    await bed.certify(1)
    await took(other, 1)
    expect(receiver.deliveries).toHaveLength(1)
    const resumed = await bed.ask('PATCH', `/overlay/subscriptions/${id}`, { status: 'active' })
    expect(resumed).toMatchObject({ status: 410, body: { code: 'subscription-expired' } })
  })

  test('that answers 429 names the time', async () => {
    const receiver = await bed.receiver()
    const { id } = await bed.webhook(receiver)
    receiver.answers = () => ({ status: 429, headers: { 'retry-after': '7200' } })
    const owed = await bed.certify(2)
    await until(async () => (await webhookOf(id)).lastError !== null)
    receiver.answers = () => ok
    bed.time.pass(119 * MINUTE_MS)
    const other = await bed.receiver()
    await bed.webhook(other)
    owed.push(...(await bed.certify(1)))
    await took(other, 1)
    expect(receiver.deliveries).toHaveLength(1)
    bed.time.pass(14 * MINUTE_MS)
    expect(await took(receiver, 4)).toEqual([owed[0], ...owed])
  })

  test('that redirects inside leads nowhere, and is told as what it is', async () => {
    const [receiver, inside] = [await bed.receiver(), await bed.receiver()]
    const { id } = await bed.webhook(receiver)
    receiver.answers = () => ({ status: 302, headers: { location: inside.url } })
    const owed = await bed.certify(1)
    await failedTimes(id, 1)
    expect((await webhookOf(id)).lastError).toMatch(/answers 302, and redirections are not followed/)
    expect(inside.connections()).toBe(0)
    receiver.answers = () => ok
    bed.time.pass(6_000)
    expect(await took(receiver, 2)).toEqual([...owed, ...owed])
  })

  test('that says it is too much gets less, and all of it', async () => {
    const receiver = await bed.receiver()
    await bed.webhook(receiver, { batchMax: 8 })
    receiver.answers = ({ events }) => (events.length > 2 ? { status: 413 } : ok)
    const owed = await bed.certify(8)
    const arrived = () =>
      receiver.deliveries.filter(({ events }) => events.length <= 2).flatMap(({ events }) => events)
    await until(() => arrived().length >= 8)
    expect(arrived().map(({ data }) => data.eventId)).toEqual(owed)
  })

  test('that refuses one message gets the others; its owner has that one delivered once more', async () => {
    const receiver = await bed.receiver()
    const { id } = await bed.webhook(receiver, { batchMax: 4 })
    const [good, poison, ...others] = await bed.certify(4)
    const isPoisoned = ({ events }: { events: readonly { data: { eventId?: string | undefined } }[] }) =>
      events.some(({ data }) => data.eventId === poison)
    receiver.answers = delivery => (isPoisoned(delivery) ? { status: 422, body: 'not this one' } : ok)
    await bed.ask('POST', `/overlay/subscriptions/${id}/position`, { from: 'earliest' })
    const arrived = () =>
      receiver.deliveries
        .filter(delivery => !isPoisoned(delivery))
        .flatMap(({ events }) => events.flatMap(({ data }) => data.eventId ?? []))
    await until(async () => {
      // Two more tries, five seconds and five minutes apart. No further: whoever delivers would have been gone for so long, and
      // somebody else deliver it again.
      const { nextTryAt } = await webhookOf(id)
      if (nextTryAt != null) bed.time.pass(Math.max(0, Date.parse(nextTryAt) - bed.time.now()))
      return others.every(each => arrived().includes(each))
    })
    expect(arrived()).not.toContain(poison)
    expect(
      arrived()
        .filter(each => each === good || others.includes(each))
        .slice(-3),
    ).toEqual([good, ...others])
    const alone = receiver.deliveries.filter(each => isPoisoned(each) && each.events.length === 1)
    expect([alone.length, new Set(alone.map(({ webhookId }) => webhookId)).size]).toEqual([3, 1])

    const [letter, ...more] = await lettersOf(id)
    expect(more).toEqual([])
    expect(letter).toMatchObject({
      eventIds: [poison],
      status: 422,
      lastError: 'it answered 422: not this one',
      webhookId: alone[0]?.webhookId,
    })
    receiver.answers = () => ok
    const path = `/overlay/subscriptions/${id}/dead-letters/${letter?.number}`
    expect(await bed.ask('POST', `${path}/redeliver`)).toMatchObject({ status: 202 })
    await until(async () => (await lettersOf(id)).length === 0)
    expect(receiver.deliveries.at(-1)).toMatchObject({
      webhookId: letter?.webhookId,
      body: alone[0]?.body,
    })
  })

  test('that refuses one message after the other is not sent all there are', async () => {
    const receiver = await bed.receiver()
    const { id } = await bed.webhook(receiver)
    receiver.answers = () => ({ status: 400 })
    const owed = await bed.certify(12)
    await until(async () => {
      bed.time.pass(MINUTE_MS)
      return (await bed.shown(id)).status === 'paused'
    })
    expect(await bed.shown(id)).toMatchObject({ reason: 'refusing' })
    expect(await lettersOf(id)).toHaveLength(9)
    receiver.answers = () => ok
    const before = eventsTaken(receiver).length
    await bed.ask('PATCH', `/overlay/subscriptions/${id}`, { status: 'active' })
    // What is not set aside.
    expect((await took(receiver, before + 3)).slice(before)).toEqual(owed.slice(9))
  })

  test('that fails to the end of the schedule is left alone, and owed everything still', async () => {
    const receiver = await bed.receiver()
    const { id } = await bed.webhook(receiver)
    receiver.answers = () => ({ status: 503 })
    let sinceMs = bed.time.now()
    const owed = await bed.certify(1)
    const schedule = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
    for (const [i, seconds] of schedule.entries()) {
      await failedTimes(id, i + 1)
      const nextMs = Date.parse((await webhookOf(id)).nextTryAt ?? '')
      // Never sooner, and a tenth later at most.
      expect(nextMs - sinceMs).toBeGreaterThanOrEqual(seconds * 1_000)
      expect(nextMs - bed.time.now()).toBeLessThanOrEqual(seconds * 1_100)
      bed.time.pass(nextMs - bed.time.now())
      sinceMs = nextMs
    }
    await until(async () => (await bed.shown(id)).status === 'paused')
    expect(await bed.shown(id)).toMatchObject({ reason: 'undeliverable' })
    expect(receiver.deliveries).toHaveLength(10)
    owed.push(...(await bed.certify(2)))
    receiver.answers = () => ({ status: 500 })
    await bed.ask('PATCH', `/overlay/subscriptions/${id}`, { status: 'active' })
    // The schedule begins anew.
    await failedTimes(id, 1)
    receiver.answers = () => ok
    bed.time.pass(6_000)
    expect((await took(receiver, 14)).slice(11)).toEqual(owed)
  })

  test('whose host hangs up is called for one subscription at a time, and for all once it answers', async () => {
    const receiver = await bed.receiver()
    for (let i = 0; i < 20; i++) await bed.webhook(receiver, { callbackUrl: `${receiver.url}/${i}` })
    receiver.answers = () => undefined
    const [event] = await bed.certify(1)
    await until(() => receiver.deliveries.length >= 2)
    expect(receiver.deliveries.length).toBeLessThan(10)
    receiver.answers = () => ok
    const before = receiver.deliveries.length
    await until(() => {
      bed.time.pass(10 * MINUTE_MS)
      return new Set(receiver.deliveries.slice(before).map(({ path }) => path)).size === 20
    })
    expect(new Set(eventsTaken(receiver))).toEqual(new Set([event]))
  })

  test('that is slow, or has a lot to say, keeps no other one waiting', async () => {
    const [slow, other] = [await bed.receiver(), await bed.receiver()]
    const { id } = await bed.webhook(slow, { callbackUrl: slow.url.replace('127.0.0.1', 'localhost') })
    await bed.webhook(other)
    slow.answers = () => ({ status: 200, body: 'x'.repeat(200_000) })
    const ids = await bed.certify(3)
    expect(await took(other, 3)).toEqual(ids)
    expect(await took(slow, 3)).toEqual(ids)
    await until(async () => (await webhookOf(id)).delivered === 3)
  })

  test('inside of where the node is is never called', async () => {
    const made = await bed.ask('POST', '/overlay/subscriptions', {
      type: 'webhook',
      callbackUrl: 'https://10.0.0.1:8443/hook',
    })
    const id = Object(made.body['subscription']).subscriptionId
    await failedTimes(id, 1)
    expect((await webhookOf(id)).lastError).toContain('which is not public (private)')
    for (const callbackUrl of [
      'ftp://example.com/',
      'https://user:word@example.com/',
      'https://example.com:22/',
    ])
      expect(await bed.ask('POST', '/overlay/subscriptions', { type: 'webhook', callbackUrl })).toMatchObject(
        { status: 400, body: { code: 'bad-request' } },
      )
  })
})

describe('an owner', () => {
  test('pauses and resumes, and has missed nothing', async () => {
    const [receiver, other] = [await bed.receiver(), await bed.receiver()]
    const { id } = await bed.webhook(receiver)
    await bed.webhook(other)
    await bed.ask('PATCH', `/overlay/subscriptions/${id}`, { status: 'paused' })
    const ids = await bed.certify(3)
    await took(other, 3)
    expect(receiver.deliveries).toEqual([])
    await bed.ask('PATCH', `/overlay/subscriptions/${id}`, { status: 'active' })
    expect(await took(receiver, 3)).toEqual(ids)
  })

  test('has it all told again from a time, under new ids, with the events known by their own', async () => {
    const receiver = await bed.receiver()
    const { id } = await bed.webhook(receiver)
    const before = await bed.certify(2)
    await took(receiver, 2)
    await new Promise(resolve => setTimeout(resolve, 20))
    const from = new Date().toISOString()
    const since = await bed.certify(2)
    await took(receiver, 4)
    await bed.ask('POST', `/overlay/subscriptions/${id}/position`, { from })
    expect(await took(receiver, 6)).toEqual([...before, ...since, ...since])
    const [first, again] = [receiver.deliveries[2], receiver.deliveries[4]]
    expect(again?.events[0]?.id).toBe(first?.events[0]?.id)
    expect(again?.webhookId).not.toBe(first?.webhookId)
  })

  test('is told of what it may read by then, and of a stream that it may read no more nothing', async () => {
    await bed.putStream({
      streamId: 'secret',
      audience: 'restricted',
      blindKey: new Uint8Array(32).fill(7),
    })
    const { pool } = bed.database
    const allow = (keys: string[]) =>
      pool.query(`update streams set readers = $1 where stream_id = 'secret'`, [keys])
    await allow([bed.owner])
    const [receiver, other] = [await bed.receiver(), await bed.receiver()]
    const { id } = await bed.webhook(receiver)
    await bed.webhook(other, { filter: { streams: ['readings'] } })
    const secret = await bed.certify(1, 'secret')
    expect(await took(receiver, 1)).toEqual(secret)
    await allow([])
    // Who may read what is a second old at most, by the clock that deliveries go by.
    bed.time.pass(1_000)
    await bed.certify(1, 'secret')
    const open = await bed.certify(1)
    await took(other, 1)
    expect(await took(receiver, 2)).toEqual([...secret, ...open])
    expect(JSON.stringify(await bed.shown(id))).not.toContain('secret')
  })

  test('has it end when it should', async () => {
    const receiver = await bed.receiver()
    const expiresAt = new Date(bed.time.now() + HOUR_MS).toISOString()
    const { id } = await bed.webhook(receiver, { expiresAt })
    const ids = await bed.certify(1)
    await took(receiver, 1)
    bed.time.pass(HOUR_MS)
    await bed.certify(1)
    await until(async () => (await bed.shown(id)).status === 'expired')
    expect(await bed.shown(id)).toMatchObject({ reason: 'time' })
    expect(eventsTaken(receiver)).toEqual(ids)
  })
})
