import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { party } from '../../support/pipeline.ts'
import { openSubscriptionsBed, type SubscriptionsBed } from '../../support/subscriptions-bed.ts'
import { testOnlyIdentityHeader } from '../../support/test-only-authentication.ts'
import { until } from '../../support/until.ts'
import { compareAnswers } from '../openapi-checks.ts'
import { openObjects, readApiDocument } from '../openapi-document.ts'
import { HttpClient, type Sent } from '../raw-http.ts'

const operations = readApiDocument().operations.filter(({ tag }) => tag === 'subscriptions')
/** Documented, and not to be had here: it takes a broken node, a full one, or more patience than a test has. */
const notHere = ['408', '500', '503']
const admin = party('who looks after subscriptions').identityKey

let bed: SubscriptionsBed
let client: HttpClient
let examples: Readonly<Record<string, readonly Sent[]>>
beforeAll(async () => {
  bed = await openSubscriptionsBed({
    ADMIN_IDENTITY_KEYS: admin,
    SUBSCRIPTIONS_PER_IDENTITY_MAX: '20',
    WEBHOOK_DEAD_LETTERS_MAX: '5',
  })
  client = new HttpClient(bed.served.port)
  examples = await examplesFor()
}, 30_000)
afterAll(async () => {
  client.close()
  await bed.end()
  expect(bed.failures).toEqual([])
})

describe('docs/openapi.yaml, on subscriptions', () => {
  test('has an example of each of their routes', () => {
    expect(operations.map(({ id }) => id).sort()).toEqual(Object.keys(examples).sort())
  })

  test('closes every object that an answer holds', () => {
    const open = operations.flatMap(({ id, answers }) =>
      [...answers].flatMap(([status, { bodies }]) =>
        [...bodies.values()].flatMap(({ schema }) => openObjects(schema, `${id} ${status}`)),
      ),
    )
    expect(open).toEqual([])
  })

  // One after the other, as what one of them deletes is gone for the others.
  test('tells what each of them answers', async () => {
    const last = operations.filter(({ id }) => id === 'unsubscribe')
    for (const operation of [...operations.filter(each => !last.includes(each)), ...last]) {
      const { undocumented, neverSeen } = await compareAnswers(
        operation,
        examples[operation.id] ?? [],
        sent => client.send(sent),
      )
      expect([operation.id, undocumented]).toEqual([operation.id, []])
      expect([operation.id, neverSeen.filter(status => !notHere.includes(status))]).toEqual([
        operation.id,
        [],
      ])
    }
  })
})

describe('a subscription', () => {
  const other = party('who has nothing to do with it').identityKey
  const make = async (body: object, identityKey: string) =>
    Object((await bed.ask('POST', '/overlay/subscriptions', body, identityKey)).body['subscription'])

  test('is there for its owner, to be seen by admins, and for nobody else', async () => {
    const mine = party('who has one').identityKey
    const { subscriptionId: id } = await make({ type: 'websocket', clientId: 'the app' }, mine)
    const path = `/overlay/subscriptions/${id}`
    expect((await bed.ask('GET', path, undefined, mine)).body).toMatchObject({ clientId: 'the app' })
    expect(await bed.ask('GET', path, undefined, admin)).toMatchObject({ status: 200 })
    expect(
      (await bed.ask('GET', '/overlay/subscriptions?owner=any&clientId=the+app', undefined, admin)).body,
    ).toMatchObject({ subscriptions: [{ subscriptionId: id }] })
    expect(await bed.ask('DELETE', path, undefined, admin)).toMatchObject({ status: 404 })
    for (const method of ['GET', 'PATCH', 'DELETE'])
      expect(await bed.ask(method, path, undefined, other)).toMatchObject({
        status: 404,
        body: { code: 'not-found' },
      })
    expect(await bed.ask('GET', `/overlay/subscriptions?owner=${mine}`, undefined, other)).toMatchObject({
      status: 400,
    })
    expect((await bed.ask('GET', '/overlay/subscriptions', undefined, other)).body).toMatchObject({
      subscriptions: [],
    })
  })

  test('of an overlay host is its advert, and it is told so', async () => {
    expect(await bed.ask('POST', '/overlay/subscriptions', { type: 'overlay' })).toMatchObject({
      status: 400,
      body: { hint: expect.stringContaining('tm_gitdata_events_certified') },
    })
  })

  test.each([
    [{ type: 'webhook' }, 'a webhook needs a callbackUrl'],
    [{ type: 'sse', callbackUrl: 'https://receiver.example/' }, 'are of webhooks'],
    [{ type: 'sse', filter: { sourceId: 'x' } }, 'Unrecognized key'],
    [{ type: 'sse', filter: { split: '3/2' } }, 'split is not i/n'],
    [{ type: 'sse', filter: { where: { field: '/a', op: '~' } } }, 'where'],
    [{ type: 'sse', filter: { where: { field: '/a', op: '=', value: 'a\0' } } }, 'cannot be stored'],
    [{ type: 'sse', filter: { sourceIds: ['a,b'] } }, 'with a comma in it'],
    [{ type: 'sse', from: 'yesterday' }, 'the position is not one that was given here'],
    [{ type: 'sse', expiresAt: '2001-01-01T00:00:00Z' }, 'is over already'],
    [{ type: 'carrier pigeon' }, '/type'],
  ])('that cannot be is refused with what was wanted: %j', async (body, why) => {
    const refused = await bed.ask('POST', '/overlay/subscriptions', body)
    expect([refused.status, refused.body['code']]).toEqual([400, 'bad-request'])
    expect(refused.body['detail']).toContain(why)
  })
})

/** For each operation what brings about every answer. */
async function examplesFor(): Promise<Record<string, Sent[]>> {
  const receiver = await bed.receiver()
  const { id } = await bed.webhook(receiver)
  receiver.answers = () => ({ status: 422 })
  await bed.certify(2)
  const letters = `/overlay/subscriptions/${id}/dead-letters`
  const found = () => bed.ask('GET', letters).then(({ body }) => [...Object(body['deadLetters'])])
  await until(async () => {
    bed.time.pass(60_000)
    return (await found()).length === 2
  })
  const [first, second] = await found()
  const path = `/overlay/subscriptions/${id}`
  const own = { [testOnlyIdentityHeader]: bed.owner }
  const json = (at: string, value: unknown): Sent => ({
    ...{ path: at, headers: own },
    body: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
  })
  // A GET can have a body too.
  const chunked = { ...own, 'transfer-encoding': 'chunked' }
  /** What all of them say in the same cases. */
  const common = (at: string): Sent[] => [
    { path: at },
    { path: at, headers: { ...chunked, 'content-encoding': 'br' }, body: Buffer.from('{}') },
    { path: at, headers: chunked, body: Buffer.alloc(70_000, 0x20) },
  ]
  const missing = (behind = '') => ({ path: `/overlay/subscriptions/sub_none${behind}`, headers: own })
  const gone = String(
    Object((await bed.ask('POST', '/overlay/subscriptions', { type: 'sse' })).body['subscription'])
      .subscriptionId,
  )
  await bed.database.pool.query(
    `update overlay_event_subscriptions set subscription_status = 'expired', status_reason = 'time' where subscription_id = $1`,
    [gone],
  )
  const over = `/overlay/subscriptions/${gone}`
  const at = (which: unknown) => `${letters}/${String(Object(which).number)}`
  return {
    subscribe: [
      ...Array.from({ length: 22 }, () => json('/overlay/subscriptions', { type: 'sse' })),
      json('/overlay/subscriptions', { type: 'webhook' }),
      json('/overlay/subscriptions', 'no JSON'),
      ...common('/overlay/subscriptions'),
    ],
    subscriptions: [
      { path: '/overlay/subscriptions?limit=2', headers: own },
      { path: '/overlay/subscriptions?limit=0', headers: own },
      ...common('/overlay/subscriptions'),
    ],
    subscription: [{ path, headers: own }, missing(), ...common(path)],
    changeSubscription: [
      json(path, { clientId: 'another', expiresAt: '2100-01-01T00:00:00Z' }),
      json(path, { status: 'melted' }),
      json(over, { status: 'active' }),
      missing(),
      ...common(path),
    ],
    moveSubscription: [
      json(`${path}/position`, { from: 'latest' }),
      json(`${path}/position`, {}),
      json(`${over}/position`, { from: 'earliest' }),
      missing('/position'),
      ...common(`${path}/position`),
    ],
    rotateSubscriptionSecret: [
      ...Array.from({ length: 4 }, () => json(`${path}/secrets`, {})),
      json(`${path}/secrets`, { overlapSeconds: -1 }),
      missing('/secrets'),
      ...common(`${path}/secrets`),
    ],
    refusedMessages: [
      { path: letters, headers: own },
      { path: `${letters}?after=x`, headers: own },
      missing('/dead-letters'),
      ...common(letters),
    ],
    redeliverMessage: [
      { path: `${at(first)}/redeliver`, headers: own },
      { path: `${letters}/999/redeliver`, headers: own },
      { path: `${over}/dead-letters/1/redeliver`, headers: own },
      ...common(`${at(first)}/redeliver`),
    ],
    forgetMessage: [
      { path: at(second), headers: own },
      { path: `${letters}/x`, headers: own },
      ...common(at(second)),
    ],
    unsubscribe: [{ path, headers: own }, missing(), ...common(path)],
  }
}
