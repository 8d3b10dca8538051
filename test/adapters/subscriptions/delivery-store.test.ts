import { expect, test } from 'vitest'
import { openSubscriptionChanges } from '../../../src/adapters/subscriptions/changes.ts'
import { openDeliveryStore } from '../../../src/adapters/subscriptions/delivery-store.ts'
import { filterOf } from '../../../src/serve/subscriptions/filter-criteria.ts'
import { migratedDatabase } from '../../support/migrated-database.ts'

test('a row says from where its delivery goes, what is left of its letter, and whether anybody holds it', async () => {
  const database = await migratedDatabase()
  try {
    const { pool } = database
    const now = () => 1_000_000
    const changes = openSubscriptionChanges(pool, new Uint8Array(32).fill(1), now)
    await changes.create(
      {
        ...{ subscriptionId: 'sub_1', clientId: 'client', type: 'webhook', topics: [], filter: {} },
        ...{ ownerKey: 'owner', expiresMs: null, position: 'first', batchMax: 1 },
        callbackUrl: 'https://receiver.example/',
      },
      { perOwnerMax: 1, allMax: 1 },
    )
    const store = openDeliveryStore({
      ...{ pool, deadLettersMax: 1, filterOf, now },
      onUnreadable(error) {
        throw error
      },
    })
    expect(await store.countUnheld()).toBe(1)
    await store.stay('node')
    const [held] = await store.take('node', 1, [])
    if (held === undefined) throw new Error('nothing was taken')
    expect(await store.countUnheld()).toBe(0)

    await store.begin(held, { webhookId: 'msg_1', position: 'third' }, 'second')
    await store.leave('node')
    await store.stay('node')
    const [again] = await store.take('node', 1, [])
    if (again === undefined) throw new Error('nothing was taken')
    expect(again).toMatchObject({
      position: 'second',
      pending: { webhookId: 'msg_1', position: 'third' },
    })

    const { state } = again
    const settled = {
      position: 'third',
      pending: null,
      state,
      nextTryMs: 0,
      lastError: 'no',
      arrived: 0,
    } as const
    const refused = { eventIds: ['e1'], status: 422, why: 'no' }
    await store.setAside(again, settled, { webhookId: 'msg_1', from: 'second', until: 'third', ...refused })
    const [letter] = await changes.deadLetters('sub_1', { after: 0, limit: 1 })
    await changes.redeliver('sub_1', letter?.number ?? 0)
    const [after] = await store.take('node', 1, [])
    if (after === undefined) throw new Error('nothing was taken')
    const due = await store.letterDue(after)
    if (due === undefined) throw new Error('no letter is due')
    expect(due).toMatchObject({ webhookId: 'msg_1', from: 'second', until: 'third' })
    expect(await store.shortenLetter(held, { ...due, from: 'nowhere' })).toBe(false)
    expect(await store.shortenLetter(after, { ...due, webhookId: 'msg_2', from: 'half' })).toBe(true)
    expect(await store.letterDue(after)).toMatchObject({ webhookId: 'msg_2', from: 'half', until: 'third' })
  } finally {
    await database.close()
  }
})
