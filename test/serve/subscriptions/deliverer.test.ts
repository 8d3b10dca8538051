import { expect, test } from 'vitest'
import { openTokenWriter } from '../../../src/serve/live/resume-token.ts'
import { openDeliverer } from '../../../src/serve/subscriptions/deliverer.ts'
import { filterOf } from '../../../src/serve/subscriptions/filter-criteria.ts'
import type { Held } from '../../../src/serve/subscriptions/ports.ts'

const positions = { seal: (bytes: Uint8Array) => bytes, unseal: (bytes: Uint8Array) => bytes }

test('an owner whose many receivers never answer leaves turns for the others', async () => {
  const { deliverer, asked } = openSilent({
    atOnce: 8,
    heldMax: 100,
    owed: [...Array.from({ length: 20 }, (_, i) => heldOf('greedy', i)), heldOf('modest', 0)],
  })
  await deliverer.look()
  await deliverer.stop()
  expect(asked).toEqual(['greedy-0.example', 'greedy-1.example', 'modest-0.example'])
})

test('what is owed beyond what this process may hold is counted', async () => {
  const { deliverer } = openSilent({
    atOnce: 1,
    heldMax: 2,
    owed: Array.from({ length: 5 }, (_, i) => heldOf('owner', i)),
  })
  await deliverer.look()
  expect([deliverer.held(), deliverer.unheld()]).toEqual([2, 3])
  await deliverer.stop()
})

test('leaves a host alone for the owner whose calls it has not answered, and for nobody else', async () => {
  const owed = ['stranger', 'owner'].map(ownerKey => ({
    ...heldOf(ownerKey, 1),
    callbackUrl: `https://shared.example/${ownerKey}`,
  }))
  const { deliverer, asked } = openSilent({
    ...{ owed, atOnce: 8, heldMax: 8 },
    resting: ['stranger shared.example'],
  })
  await deliverer.look()
  expect(deliverer.openCircuits()).toBe(1)
  await deliverer.stop()
  expect(asked).toEqual(['shared.example'])
})

/** Deliveries of what has not consented yet, to hosts that say nothing until all is stopped. */
function openSilent({
  owed,
  atOnce,
  heldMax,
  resting = [],
}: {
  owed: readonly Held[]
  atOnce: number
  heldMax: number
  resting?: readonly string[]
}) {
  const asked: string[] = []
  let taken = 0
  const deliverer = openDeliverer({
    store: {
      stay: async () => new Map(owed.slice(0, taken).map(each => [each.subscriptionId, each.holdToken])),
      leave: async () => undefined,
      async take(_holder, limit) {
        const some = owed.slice(taken, taken + limit)
        taken += some.length
        return some
      },
      countUnheld: async () => owed.length - taken,
      begin: async () => true,
      settle: async () => true,
      consented: async () => true,
      setAside: async () => true,
      letterDue: async () => undefined,
      shortenLetter: async () => true,
      settleLetter: async () => true,
      expire: async () => 0,
    },
    async post() {
      throw new Error('nothing is sent before consent')
    },
    async askConsent(url, stop) {
      asked.push(new URL(url).host)
      if (!stop.aborted) await new Promise(resolve => stop.addEventListener('abort', resolve))
      return { given: false, status: undefined, retryAfterMs: undefined, why: 'it is silent' }
    },
    hosts: {
      isResting: door => resting.includes(door),
      hasAnswered: () => false,
      answered: () => undefined,
      failed: () => undefined,
    },
    ...{ positions, holder: 'node', source: 'urn:log', retryMs: [1] },
    readPieces: async wanted => wanted.map(() => ({ pieces: [], more: false })),
    readOldest: async () => [],
    readEnds: async tracks => tracks.map(() => ({ at: 0, line: 0 })),
    readPartitions: async () => [],
    findReader: async () => ({ tenantIds: [] }),
    bounds: { heldMax, atOnce, perHostAtOnce: 8, batchBytes: 1_000, partitionsMax: 200 },
    now: () => 1_000,
    chance: () => 0,
    newId: () => 'id',
    lookSoon: () => undefined,
    events: {
      onTried: () => undefined,
      onLag: () => undefined,
      onConsent: () => undefined,
      onFailure(error) {
        throw error
      },
    },
  })
  return { deliverer, asked }
}

function heldOf(ownerKey: string, number: number): Held {
  const filter = filterOf({ topics: [], filter: {} })
  if (!filter.ok) throw new Error(filter.fault.detail)
  return {
    ...{ subscriptionId: `${ownerKey}-${number}`, holdToken: 1, ownerKey, filter: filter.value },
    ...{ callbackUrl: `https://${ownerKey}-${number}.example/`, consent: 'pending', ratePerMinute: null },
    position: openTokenWriter({ partitionsUpTo: 0, places: new Map() }, positions).token(),
    pending: null,
    state: {
      ...{ attempts: 0, failingSinceMs: null, refusals: 0, refusedInARow: 0 },
      ...{ batchNow: 1, batchMax: 1 },
    },
    nextTryMs: 0,
  }
}
