import { describe, expect, test } from 'vitest'
import { isObject } from '../../../src/core/canonical-json.ts'
import { qualityFlags } from '../../../src/core/event/quality-flags.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { decideWindow } from '../../../src/core/fusion/decide.ts'
import {
  type ClosedWindow,
  closeByWatermark,
  closeToFit,
  compileLateness,
  compileObserve,
  type FusionState,
  noWindows,
  WINDOW_OBSERVATIONS_MAX,
  writeFusionState,
} from '../../../src/core/fusion/open-windows.ts'
import { type FusionPolicy, readFusion } from '../../../src/core/fusion/read-fusion.ts'
import { envelope } from '../policy/examples.ts'

const policyOf = (members: object) =>
  orThrow(readFusion({ strategy: 'priority', field: 'v', key: 'k', ...members }))
const at = (timeMs: number, k = 'k', v: number | string = 1, n = timeMs) =>
  envelope({ k, v }, { eventTimeMs: timeMs, eventId: String(n).padStart(64, '0') })

const decisionOn = (state: FusionState, policy: FusionPolicy) => {
  const [window] = closeByWatermark(state, policy, 10_000)
  if (window === undefined) throw new Error('no window closed')
  return decideWindow(window, policy)
}
const writtenWindows = (state: FusionState) => {
  const json = writeFusionState(state)
  return isObject(json) ? json['windows'] : undefined
}

describe('a window', () => {
  const policy = policyOf({ windowMs: 1_000, latenessMs: 500 })
  const observe = compileObserve(policy)
  const isLate = compileLateness(policy)

  test('begins at a multiple of its length and ends before the next', () => {
    const state = noWindows()
    for (const ms of [0, 999, 1_000]) observe(at(ms), state, [])
    expect(state.windows.map(window => [window.endMs, window.observations.length])).toEqual([
      [1_000, 2],
      [2_000, 1],
    ])
  })

  test('closes in the first packet whose watermark reaches its end and the lateness', () => {
    const state = noWindows()
    observe(at(10), state, [])
    expect(closeByWatermark(state, policy, 1_499)).toEqual([])
    expect(isLate(at(20), state)).toBe(false)
    observe(at(20), state, [])
    expect(closeByWatermark(state, policy, 1_500)).toMatchObject([{ endMs: 1_000, key: 'k', early: false }])
    expect(isLate(at(30), state)).toBe(true)
    observe(at(30), state, [])
    expect(state.windows.length).toBe(0)
  })

  test('stays closed when a watermark goes back', () => {
    const state = noWindows()
    closeByWatermark(state, policy, 5_000)
    closeByWatermark(state, policy, 0)
    expect(isLate(at(10), state)).toBe(true)
    expect(state.closedTo).toEqual({ endMs: 4_500 })
  })

  test('has closed for every key once the watermark reaches what had closed for some', () => {
    const state = { ...noWindows(), closedTo: { endMs: 2_000, key: 'm' } }
    expect([isLate(at(1_500, 'm'), state), isLate(at(1_500, 'n'), state)]).toEqual([true, false])
    closeByWatermark(state, policy, 2_499)
    expect(isLate(at(1_500, 'n'), state)).toBe(false)
    closeByWatermark(state, policy, 2_500)
    expect(isLate(at(1_500, 'n'), state)).toBe(true)
  })

  test('closes at no time before the first', () => {
    const state = noWindows()
    for (const watermarkMs of [400, 500]) closeByWatermark(state, policy, watermarkMs)
    expect(state.closedTo).toBeNull()
  })

  test('is not opened by an event without a key or a number', () => {
    const state = noWindows()
    for (const event of [envelope({ v: 1 }), at(1, 'k', 'one'), at(Number.MAX_SAFE_INTEGER)]) {
      expect(isLate(event, state)).toBe(false)
      observe(event, state, [])
    }
    expect(state.windows.length).toBe(0)
  })

  test('takes a bounded number of observations and says how many it had no room for', () => {
    const state = noWindows()
    for (let n = 0; n < WINDOW_OBSERVATIONS_MAX + 3; n++) observe(at(1, 'k', 1, n), state, [])
    expect(decisionOn(state, policy)).toMatchObject({
      dropped: 3,
      qualityFlags: qualityFlags.PARTIAL_COVERAGE,
    })
  })

  test('is not filled by one source so that others cannot be heard', () => {
    const quorum = policyOf({ strategy: 'quorum', min: 2 })
    const state = noWindows()
    const said = (sourceId: string, n: number, v: number) =>
      observe({ ...at(1 + (n % 500), 'k', v, n), sourceId }, state, [])
    for (let n = 0; n < 1_000; n++) said('loud', n, 1)
    said('b', 1_001, 5)
    for (let n = 1_002; n < 2_000; n++) said('loud', n, 1)
    said('c', 2_001, 5)
    expect(decisionOn(state, quorum)).toMatchObject({
      decision: 'agreed',
      value: 5,
      from: [{ sourceId: 'b' }, { sourceId: 'c' }],
      dropped: 2_000 - WINDOW_OBSERVATIONS_MAX,
    })
  })

  test('lets what was superseded first go first, and hears the last word of everyone in it', () => {
    const state = noWindows()
    const said = (sourceId: string, timeMs: number, n: number) =>
      observe({ ...at(timeMs, 'k', n, n), sourceId }, state, [])
    said('a', 1, 1)
    said('a', 2, 2)
    for (let n = 3; n <= WINDOW_OBSERVATIONS_MAX; n++) said(`s${n}`, 1, n)
    said('new', 1, 1_000)
    said('a', 3, 1_001)
    said('one too many', 1, 1_002)
    const values = state.windows[0]?.observations.map(({ value }) => value) ?? []
    expect(values.slice(0, 2)).toEqual([3, 4])
    expect(values.slice(-2)).toEqual([1_000, 1_001])
    expect(state.windows[0]?.dropped).toBe(3)
  })
})

describe('more windows than there is room for', () => {
  const policy = policyOf({ windowMs: 10, windowsMax: 2 })
  const observe = compileObserve(policy)
  const isLate = compileLateness(policy)

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
    expect(isLate(at(6, 'b'), state)).toBe(true)
    expect(isLate(at(26, 'a'), state)).toBe(false)
    expect(state.closedTo).toEqual({ endMs: 10, key: 'b' })
  })

  test('or than their share of the state holds: the same', () => {
    const state = noWindows()
    for (const ms of [5, 6, 15]) observe(at(ms), state, [])
    // Each with a comma.
    const bytes = state.windows.length + JSON.stringify(writtenWindows(state)).length - '[,]'.length
    expect(closeToFit(state, bytes)).toEqual([])
    expect(closeToFit(state, bytes - 1)).toMatchObject([{ endMs: 10, early: true }])
    expect(closeToFit(state, 0)).toMatchObject([{ endMs: 20, early: true }])
  })

  test('close too where together they are longer than anything that can be written in one piece', () => {
    const whole = orThrow(readFusion({ strategy: 'priority' }))
    const look = compileObserve(whole)
    const state = noWindows()
    const megabytes = 'y'.repeat(4 * 1024 * 1024)
    for (let n = 0; n < 20; n++) look(at(1, megabytes, 1, n), state, [])
    expect(closeToFit(state, 128 * 1024)).toMatchObject([{ endMs: 1_000, early: true }])
  })

  test('close in order however they were opened', () => {
    const state = noWindows()
    const closed: ClosedWindow[] = []
    for (const ms of [95, 5, 55, 25, 75, 15, 85]) observe(at(ms), state, closed)
    closed.push(...closeByWatermark(state, policy, 1_000))
    expect(closed.map(({ endMs }) => endMs)).toEqual([10, 30, 60, 80, 90, 100])
  })
})
