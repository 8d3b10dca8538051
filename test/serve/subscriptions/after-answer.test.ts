import { describe, expect, test } from 'vitest'
import {
  type Answer,
  type DeliveryState,
  decideAfter,
  REFUSED_IN_A_ROW_MAX,
} from '../../../src/serve/subscriptions/after-answer.ts'

const HOUR_MS = 3_600_000
const retryMs = [5_000, 300_000, HOUR_MS]
const fine: DeliveryState = {
  ...{ attempts: 0, failingSinceMs: null, refusals: 0, refusedInARow: 0 },
  ...{ batchNow: 1, batchMax: 8 },
}
const context = { nowMs: 0, chance: 0, count: 1, retryMs }
const answer = (status: number | undefined, retryAfterMs?: number): Answer => ({
  ...{ status, retryAfterMs, why: 'so it was' },
})
const decided = (
  status: number | undefined,
  state: Partial<DeliveryState> = {},
  more: Partial<typeof context> = {},
) => decideAfter(answer(status), { ...fine, ...state }, { ...context, ...more })

describe('what follows from an answer', () => {
  test.each([200, 201, 202, 204, 299])('%i is delivered, and the next one may be larger', status => {
    expect(decided(status, { batchNow: 3 })).toEqual({ kind: 'delivered', batchNow: 6 })
    expect(decided(status, { batchNow: 6 })).toEqual({ kind: 'delivered', batchNow: 8 })
  })

  test.each([undefined, 100, 301, 401, 403, 404, 408, 415, 429, 500, 502, 503, 504])(
    '%s is tried again by the schedule, and no longer than that',
    status => {
      const pauses = retryMs.map((_, attempts) => decided(status, { attempts, failingSinceMs: 0 }))
      expect(pauses.map(each => each.kind === 'again' && [each.atMs, each.attempts])).toEqual([
        ...[
          [5_000, 1],
          [300_000, 2],
          [HOUR_MS, 3],
        ],
      ])
      expect(decided(status, { attempts: 3, failingSinceMs: 0 })).toMatchObject({
        ...{ kind: 'pause', reason: 'undeliverable' },
      })
    },
  )

  test('a tenth later at most, and never sooner', () => {
    expect(decided(500, {}, { chance: 1 })).toMatchObject({ atMs: 5_500 })
  })

  test('a time that the receiver names is kept, within a day, and uses no try up', () => {
    const named = (ms: number, status = 429) => decideAfter(answer(status, ms), fine, context)
    expect(named(7 * HOUR_MS)).toMatchObject({ kind: 'again', atMs: 7 * HOUR_MS, attempts: 0 })
    expect(named(7 * HOUR_MS, 503)).toMatchObject({ atMs: 7 * HOUR_MS, attempts: 0 })
    expect(named(1_000 * HOUR_MS)).toMatchObject({ atMs: 24 * HOUR_MS })
    expect(named(0)).toMatchObject({ atMs: 1_000 })
    expect(named(7 * HOUR_MS, 500)).toMatchObject({ atMs: 5_000, attempts: 1 })
  })

  test('a receiver that names times for ever is left alone once the schedule would be over', () => {
    const state = { ...fine, failingSinceMs: 0 }
    const at = (nowMs: number) => decideAfter(answer(429, 1_000), state, { ...context, nowMs })
    expect(at(HOUR_MS)).toMatchObject({ kind: 'again' })
    expect(at(2 * HOUR_MS)).toMatchObject({ kind: 'pause', reason: 'undeliverable' })
  })

  test.each([400, 409, 413, 422])('%i is about the messages: fewer, then one, then without it', status => {
    expect(decided(status, { batchNow: 5 }, { count: 5 })).toMatchObject({ kind: 'smaller', batchNow: 2 })
    expect(decided(status)).toMatchObject({ kind: 'again', atMs: 5_000, refusals: 1, attempts: 0 })
    expect(decided(status, { refusals: 1 })).toMatchObject({ kind: 'again', atMs: 300_000, refusals: 2 })
    expect(decided(status, { refusals: 2 })).toMatchObject({ kind: 'set-aside', status })
    const last = { refusals: 2, refusedInARow: REFUSED_IN_A_ROW_MAX - 1 }
    expect(decided(status, last)).toMatchObject({ kind: 'pause', reason: 'refusing' })
  })

  test('410 ends it', () => {
    expect(decided(410)).toMatchObject({ kind: 'over' })
  })
})
