import { describe, expect, test } from 'vitest'
import { decideRefill, type RefillState, sliceSatoshis } from '../../../src/adapters/fuel/decide-refill.ts'
import { p2pkhLock } from '../../../src/contract/script.ts'
import { payer, smallPool } from './fuel-bed.ts'

const lock = p2pkhLock(payer.publicKey)
const settings = { ...smallPool, fanout: 24, horizonSeconds: 7200 }
const slice = sliceSatoshis(settings, lock)
const coin = (satoshis: number, vout = 0) => ({ txid: '07'.repeat(32), vout, satoshis })
const empty: RefillState = { free: 0, coming: 0, underWay: false, coins: [], comingCoins: [] }

describe('a pool for two hours of one round a second', () => {
  test('has 28,800 coins, and asks for what they and a reserve of slices cost', () => {
    const { missingSatoshis, underWay } = decideRefill(empty, settings, lock)
    expect(underWay).toBe(true)
    expect(missingSatoshis).toBeGreaterThan(1800 * slice)
    expect(missingSatoshis).toBeLessThan(1810 * slice)
  })

  test('is let be until half of it is gone, and then filled to the top', () => {
    const coins = Array.from({ length: 700 }, (_, vout) => coin(slice, vout))
    const fanOutsAt = (free: number, underWay: boolean) =>
      decideRefill({ ...empty, free, underWay, coins }, settings, lock).fanOuts.length
    expect(fanOutsAt(14_400, false)).toBe(0)
    expect(fanOutsAt(14_399, false)).toBe(601)
    expect(fanOutsAt(14_400, true)).toBe(600)
    expect(fanOutsAt(28_800, true)).toBe(0)
  })

  test('counts what waits for a block, so that nothing is made twice', () => {
    const state = { ...empty, coming: 28_800, underWay: true, coins: [coin(slice)] }
    expect(decideRefill(state, settings, lock)).toEqual({
      underWay: false,
      fanOuts: [],
      branches: [],
      gathered: [],
      missingSatoshis: 0,
    })
    const branched = Array.from({ length: 1800 }, () => ({ satoshis: slice }))
    const waiting = decideRefill(
      { ...empty, comingCoins: branched, coins: [coin(5000 * slice)] },
      settings,
      lock,
    )
    expect(waiting.branches).toEqual([])
  })

  test('has large coins branch into slices, and gathers small ones', () => {
    const { branches } = decideRefill({ ...empty, coins: [coin(1_000 * slice)] }, settings, lock)
    expect(branches.map(({ outputs }) => outputs)).toEqual([500])
    const small = Array.from({ length: 120 }, (_, vout) => coin(600, vout))
    expect(decideRefill({ ...empty, free: 28_800, coins: small }, settings, lock).gathered).toHaveLength(100)
    expect(decideRefill({ ...empty, coins: small.slice(0, 60) }, settings, lock).gathered).toHaveLength(60)
    expect(decideRefill({ ...empty, coins: small.slice(0, 10) }, settings, lock).gathered).toHaveLength(0)
  })
})
