import { describe, expect, test } from 'vitest'
import { type ModeRules, type ModeSituation, modeAfter, modeAtFirst } from '../../src/jobs/mode.ts'
import { countsFromMs, nextRoundMs, type Pace, paceBounds, stretchOf } from '../../src/jobs/pace.ts'
import { retryAfter, retryBounds } from '../../src/jobs/retry-after.ts'

describe('a try after one that failed', () => {
  test('waits twice as long each time up to a bound, and by chance no less than half of that', () => {
    const longest = [1, 2, 3, 20].map(tries => retryAfter(tries, retryBounds, () => 1))
    expect(longest).toEqual([500, 1_000, 2_000, 30_000])
    expect(retryAfter(2, retryBounds, () => 0)).toBe(500)
  })

  test('never comes in no time at all', () => {
    expect(retryAfter(1, { baseMs: 0, factor: 2, longestMs: 10 }, () => 0)).toBe(1)
  })
})

describe('the next round', () => {
  const bounds = { ...paceBounds, roundMs: 1_000 }
  const idle: Pace = { openedMs: 0, triedMs: 0, hasNews: false, refusals: 0, lagMs: 0 }

  test('comes a round’s time after the last, and soon after what comes to an idle node', () => {
    expect(nextRoundMs({ ...idle, openedMs: 5_000, triedMs: 5_000, hasNews: true }, bounds)).toBe(6_000)
    expect(nextRoundMs({ ...idle, triedMs: 9_000, hasNews: true }, bounds)).toBe(9_020)
    expect(nextRoundMs({ ...idle, triedMs: 9_000 }, bounds)).toBe(10_000)
  })

  /** When what comes at these times is opened. */
  function openedAt(packetsMs: readonly number[], situation: Partial<Pace> = {}): number[] {
    let pace = { ...idle, ...situation, openedMs: Number.NEGATIVE_INFINITY }
    return packetsMs.map(packetMs => {
      const atMs = Math.max(packetMs, nextRoundMs({ ...pace, triedMs: packetMs - 20, hasNews: true }, bounds))
      pace = { ...pace, openedMs: countsFromMs(pace, bounds, atMs) }
      return atMs
    })
  }

  test('is not late because an earlier one was, and finds into step with packets', () => {
    for (const packetsMs of [
      [5_000, 6_010, 7_400, 8_005, 9_000],
      [5_000, 5_780, 6_780, 7_780, 8_780],
    ])
      expect(openedAt(packetsMs)).toEqual(packetsMs)
    expect(openedAt([5_000, 7_200, 9_000, 11_000], { lagMs: 100 })).toEqual([5_000, 7_200, 9_000, 11_000])
  })

  test('lies a round’s time behind the last on average, however many packets come', () => {
    const often = Array.from({ length: 6 }, (_, i) => 5_000 + i)
    expect(openedAt(often)).toEqual([5_000, 5_500, 6_500, 7_500, 8_500, 9_500])
    expect(openedAt(often, { lagMs: 100 })).toEqual([5_000, 6_500, 8_500, 10_500, 12_500, 14_500])
  })

  test('is not put off for longer than the machine lags', () => {
    const planned = { ...idle, openedMs: 5_000, triedMs: 6_000, hasNews: true }
    const openedMs = countsFromMs({ ...planned, lagMs: 1e6 }, bounds, 6_000)
    expect(nextRoundMs({ ...planned, openedMs }, bounds)).toBe(7_000)
  })

  test('is stretched while fuel or the machine runs short, and not without end', () => {
    expect([0, 1, 2, 9].map(refusals => stretchOf({ ...idle, refusals }, bounds))).toEqual([1, 2, 4, 8])
    expect([99, 100, 250, 1e6].map(lagMs => stretchOf({ ...idle, lagMs }, bounds))).toEqual([1, 2, 4, 8])
    expect(nextRoundMs({ ...idle, triedMs: 9_000, refusals: 1 }, bounds)).toBe(11_000)
  })
})

describe('a node whose packets cannot go to agents', () => {
  const rules: ModeRules = { orchestrated: true, degraded: 'local', backlogEvents: 100, patienceMs: 5_000 }
  const fine: ModeSituation = { seatable: true, hasFuel: true, backlogEvents: 0, nowMs: 0 }

  test('is patient first, and goes back at once', () => {
    const missing = modeAfter(modeAtFirst, { ...fine, seatable: false }, rules)
    expect(missing.mode).toBe('agents')
    const late = modeAfter(missing, { ...fine, seatable: false, nowMs: 5_000 }, rules)
    expect(late).toMatchObject({ mode: 'local', why: 'no-agents' })
    expect(modeAfter(late, { ...fine, nowMs: 5_001 }, rules)).toEqual(modeAtFirst)
  })

  test('does not flicker around the backlog that it may have', () => {
    const behind = modeAfter(modeAtFirst, { ...fine, backlogEvents: 101 }, rules)
    expect(behind).toMatchObject({ mode: 'local', why: 'backlog' })
    const less = modeAfter(behind, { ...fine, backlogEvents: 51 }, rules)
    expect(less.why).toBe('backlog')
    expect(modeAfter(less, { ...fine, backlogEvents: 50 }, rules).mode).toBe('agents')
  })

  test('waits where it was told to, and is local where agents are never asked', () => {
    const before = { ...modeAtFirst, missingSinceMs: 0 }
    const situation = { ...fine, hasFuel: false, nowMs: 5_000 }
    expect(modeAfter(before, situation, { ...rules, degraded: 'wait' })).toMatchObject({
      mode: 'waiting',
      why: 'no-fuel',
    })
    expect(modeAfter(before, fine, { ...rules, orchestrated: false })).toMatchObject({
      mode: 'local',
      why: 'off',
    })
  })
})
