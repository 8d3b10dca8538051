import { describe, expect, test } from 'vitest'
import { qualityFlags } from '../../../src/core/event/quality-flags.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { decideWindow } from '../../../src/core/fusion/decide.ts'
import {
  type ClosedWindow,
  closeByWatermark,
  closeToFit,
  compileObserve,
  noWindows,
  WINDOW_OBSERVATIONS_MAX,
  writeFusionState,
} from '../../../src/core/fusion/open-windows.ts'
import { readFusion } from '../../../src/core/fusion/read-fusion.ts'
import { envelope } from '../policy/examples.ts'

const policyOf = (members: object) =>
  orThrow(readFusion({ strategy: 'priority', field: 'v', key: 'k', ...members }, ''))
const at = (timeMs: number, k = 'k', v: number | string = 1, n = timeMs) =>
  envelope({ k, v }, { eventTimeMs: timeMs, eventId: String(n).padStart(64, '0') })

describe('a window', () => {
  const policy = policyOf({ windowMs: 1_000, latenessMs: 500 })
  const observe = compileObserve(policy)

  test('begins at a multiple of its length and ends before the next', () => {
    const state = noWindows()
    for (const ms of [0, 999, 1_000]) observe(at(ms), state, [])
    expect([...state.windows.values()].map(window => [window.endMs, window.observations.length])).toEqual([
      [1_000, 2],
      [2_000, 1],
    ])
  })

  test('closes in the first packet whose watermark reaches its end and the lateness', () => {
    const state = noWindows()
    observe(at(10), state, [])
    expect(closeByWatermark(state, policy, 1_499)).toEqual([])
    expect(observe(at(20), state, [])).toBe('observed')
    expect(closeByWatermark(state, policy, 1_500)).toMatchObject([{ endMs: 1_000, key: 'k', early: false }])
    expect(observe(at(30), state, [])).toBe('late')
    expect(state.windows.size).toBe(0)
  })

  test('stays closed when a watermark goes back', () => {
    const state = noWindows()
    closeByWatermark(state, policy, 5_000)
    closeByWatermark(state, policy, 0)
    expect(observe(at(10), state, [])).toBe('late')
  })

  test('is not opened by an event without a key or a number', () => {
    const state = noWindows()
    expect(observe(envelope({ v: 1 }), state, [])).toBe('nothing')
    expect(observe(at(1, 'k', 'one'), state, [])).toBe('nothing')
    expect(observe(at(Number.MAX_SAFE_INTEGER), state, [])).toBe('nothing')
    expect(state.windows.size).toBe(0)
  })

  test('takes a bounded number of observations and says how many it had no room for', () => {
    const state = noWindows()
    for (let n = 0; n < WINDOW_OBSERVATIONS_MAX + 3; n++) observe(at(1, 'k', 1, n), state, [])
    const [window] = closeByWatermark(state, policy, 10_000)
    if (window === undefined) throw new Error('no window closed')
    expect(decideWindow(window, policy)).toMatchObject({
      dropped: 3,
      qualityFlags: qualityFlags.PARTIAL_COVERAGE,
    })
  })
})

describe('more windows than there is room for', () => {
  const policy = policyOf({ windowMs: 10, windowsMax: 2 })
  const observe = compileObserve(policy)

  test('close the oldest at once, flagged, and never open it again', () => {
    const state = noWindows()
    const closed: ClosedWindow[] = []
    for (const [ms, key] of [
      [25, 'a'],
      [5, 'b'],
      [5, 'a'],
      [35, 'a'],
    ] as const)
      observe(at(ms, key), state, closed)
    expect(closed.map(({ endMs, key, early }) => [endMs, key, early])).toEqual([
      [10, 'a', true],
      [10, 'b', true],
    ])
    expect(closed.map(window => decideWindow(window, policy).qualityFlags)).toEqual([0x40, 0x40])
    expect(observe(at(6, 'b'), state, closed)).toBe('late')
    expect(observe(at(26, 'a'), state, closed)).toBe('observed')
    expect(state.closedTo).toEqual({ endMs: 10, key: 'b' })
  })

  test('or than their share of the state holds: the same', () => {
    const state = noWindows()
    for (const ms of [5, 15]) observe(at(ms), state, [])
    const bytes = JSON.stringify(writeFusionState(state)).length
    expect(closeToFit(state, bytes)).toEqual([])
    expect(closeToFit(state, bytes / 2)).toMatchObject([{ endMs: 10, early: true }])
    expect(closeToFit(state, 0)).toMatchObject([{ endMs: 20, early: true }])
  })
})
