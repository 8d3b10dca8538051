import { describe, expect, test } from 'vitest'
import { type ModeRules, type ModeSituation, modeAfter, modeAtFirst } from '../../src/jobs/mode.ts'
import { beatMs, nextRoundMs, type Pace, paceBounds, stretchOf } from '../../src/jobs/pace.ts'
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

  test('is not late because an earlier one was', () => {
    let pace = { ...idle, openedMs: beatMs({ ...idle, openedMs: Number.NEGATIVE_INFINITY }, bounds, 5_000) }
    const opened = [6_010, 7_400, 8_005, 9_000].map(packetMs => {
      const atMs = Math.max(packetMs, nextRoundMs({ ...pace, triedMs: packetMs - 20, hasNews: true }, bounds))
      pace = { ...pace, openedMs: beatMs(pace, bounds, atMs) }
      return atMs
    })
    expect(opened).toEqual([6_010, 7_400, 8_005, 9_000])
  })

  test('is not late because an earlier one was, where both are stretched', () => {
    const stretched = { ...idle, openedMs: 5_000, lagMs: 100 }
    const late = { ...stretched, openedMs: beatMs(stretched, bounds, 7_200) }
    expect(nextRoundMs({ ...late, triedMs: 7_200, hasNews: true }, bounds)).toBe(9_000)
  })

  test('comes no sooner after one that broke the beat', () => {
    const late = { ...idle, openedMs: beatMs({ ...idle, openedMs: 5_000 }, bounds, 6_500) }
    expect(nextRoundMs({ ...late, triedMs: 6_500, hasNews: true }, bounds)).toBe(7_500)
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
